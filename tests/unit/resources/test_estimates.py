"""Memory and time limits that jobs request from the scheduler."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.config.hardware import Hardware
from elasticity.config.loading import read_study_file
from elasticity.config.models import Pretrained
from elasticity.config.sampling import Contrast, Sampling
from elasticity.config.training import FineTuning
from elasticity.models.shapes import Shape, shape_of
from elasticity.resources.estimates import (
    generation_memory_mb,
    generation_s,
    limit_min,
    passes,
    pause_s,
    rewarding_s,
    training_memory_mb,
    training_s,
)
from elasticity.resources.parallelism import training_geometry
from elasticity.runtime.launch import Geometry
from tests.conftest import ROOT
from tests.unit.shapes import MODELS, any_shape, llama

CPU = Hardware()
GPUS = Hardware(device="cuda", gpus_per_node=8, gpu="H100")
NAMELESS = Hardware(device="cuda", gpus_per_node=8)
SAMPLING = Sampling(new_tokens=32)
SFT = FineTuning(learning_rate=1e-5, batch_size=8, max_length=128)
PLAIN = Geometry(1, 1, None, 8, False, "none")


def test_the_default_study_requests_little_more_than_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its largest job was measured at 0.8 GB, its longest at about a minute."""
    monkeypatch.chdir(ROOT)
    study = read_study_file(Path("config.yaml"))
    for model in study.models.values():
        assert isinstance(model, Pretrained)
        shape, how = shape_of(model), model.optimization
        geometry = training_geometry("", shape, how, model.context, study.hardware)
        assert 1500 < training_memory_mb(shape, model.context, geometry, CPU) <= 2000
        examples = model.updates * how.batch_size
        assert 20 <= limit_min(training_s(shape, how, examples, model.context, geometry, CPU)) <= 60
        assert 1500 < generation_memory_mb(shape, 8, study.sampling, CPU, processes=1) <= 2000
        assert limit_min(generation_s(shape, 160, 4, study.sampling, CPU, processes=1)) == 20


def test_large_models_save_their_states_less_often() -> None:
    """Saving takes a twentieth of the time, at 5e8 bytes/s; the adapters of a large model are small."""
    shape = MODELS["1.1B"]
    assert pause_s(shape, 0, 1) == pytest.approx(20 * 12 * shape.parameters / 5e8)
    assert pause_s(shape, 0, 4) == pytest.approx(pause_s(shape, 0, 1) / 4)
    assert pause_s(shape, 8, 1) == 60


def test_without_gpus_everything_is_in_the_memory_of_the_node() -> None:
    """1.1 billion parameters: one process needs 16 bytes each and more; with two, the states of both count."""
    shape = MODELS["1.1B"]
    plain = training_memory_mb(shape, 64, PLAIN, CPU)
    assert 16 * 1100 < plain - 1500 < 22 * 1100
    divided = replace(PLAIN, processes_per_node=2, zero_stage=2)
    assert 2 * (4 + 16 / 2) * 1100 < training_memory_mb(shape, 64, divided, CPU) - 2 * 1500 < 2 * 20 * 1100
    offloaded = replace(divided, zero_stage=3, offload="weights")
    assert training_memory_mb(shape, 64, offloaded, CPU) > 2 * (1500 + 20 / 2 * 1100)


@pytest.mark.parametrize(
    ("how", "bytes_per_parameter"),
    [
        ((1, 1, None, "none"), 12),  # the states while they are saved
        ((1, 8, 2, "none"), 8 * 4),  # eight processes load the weights
        ((2, 8, 3, "none"), 8 * 12 / 16),  # half of the state
        ((1, 8, 3, "none"), 12),
        ((1, 4, 2, "optimizer"), 4 * 4 + 12 + 4),
        ((1, 8, 3, "weights"), 12 + 20),
    ],
)
def test_with_gpus_the_node_holds_loaded_saved_and_offloaded_states(
    how: tuple[int, int, int | None, Any], bytes_per_parameter: float
) -> None:
    nodes, processes, stage, offload = how
    shape, geometry = MODELS["7B"], Geometry(nodes, processes, stage, 1, True, offload)
    expected = 4000 * processes + bytes_per_parameter * shape.parameters / 1e6
    assert expected <= training_memory_mb(shape, 512, geometry, GPUS) < expected + 100


@given(st.floats(0, 1e6))
def test_a_limit_is_15_minutes_and_three_times_the_expected_time(expected_s: float) -> None:
    limit = limit_min(expected_s)
    assert limit % 5 == 0
    assert 0 <= limit - (15 + 3 * expected_s / 60) < 5


@pytest.mark.parametrize(
    ("hardware", "geometry", "expected_s"),
    [
        (CPU, PLAIN, 6e12 / 2e10),
        (GPUS, PLAIN, 6e12 / (0.3 * 989.4e12)),
        (NAMELESS, PLAIN, 6e12 / 30e12),
        (CPU, replace(PLAIN, processes_per_node=4, nodes=2, zero_stage=2), 6e12 / 2e10 / 8),
        (CPU, replace(PLAIN, gradient_checkpointing=True), 8e12 / 2e10),
    ],
)
def test_time_is_operations_divided_by_rate(hardware: Hardware, geometry: Geometry, expected_s: float) -> None:
    """1e6 parameters, with negligible attention: 6e6 operations a token, 8e6 with a second forward pass."""
    shape = Shape(10**6, 1, 1, 1, 1, 1, 1, 1, tied=True)
    assert training_s(shape, SFT, 1000, 1000, geometry, hardware) == pytest.approx(expected_s * 1.002)
    assert training_s(shape, SFT, 100_000, 1000, geometry, hardware) == pytest.approx(100 * expected_s * 1.002)


def with_algorithm(**algorithm: Any) -> FineTuning:
    return FineTuning.model_validate(SFT.model_dump() | {"algorithm": algorithm})


@pytest.mark.parametrize(
    ("algorithm", "trained", "measured"),
    [
        ({"kind": "sft"}, 1, 0),
        ({"kind": "dpo"}, 2, 2),
        ({"kind": "simpo"}, 2, 0),
        ({"kind": "kto"}, 2, 6),  # a pair and two mismatched responses; the start measures all, the model the latter
        ({"kind": "ppo", "passes": 5}, 5, 2),
    ],
)
def test_algorithms_take_more_than_one_pass_of_an_example(
    algorithm: dict[str, Any], trained: int, measured: int
) -> None:
    settings = with_algorithm(**algorithm)
    assert passes(settings) == (trained, measured)
    plain = training_s(MODELS["7B"], SFT, 100, 128, PLAIN, GPUS)
    expected_s = (trained + measured / 3) * plain
    assert training_s(MODELS["7B"], settings, 100, 128, PLAIN, GPUS) == pytest.approx(expected_s)


def test_ppo_takes_the_time_of_sampling_and_of_scoring() -> None:
    shape = MODELS["7B"]
    assert rewarding_s(shape, SFT, 100, 128, PLAIN, GPUS, 0) == 0
    ppo = with_algorithm(kind="ppo", new_tokens=20)
    drawn = rewarding_s(shape, ppo, 100, 128, PLAIN, GPUS, 0)
    assert drawn == generation_s(shape, 100, 1, Sampling(new_tokens=20, batch_size=8), GPUS, 1)
    planned = rewarding_s(shape, ppo, 100, 128, PLAIN, GPUS, 10**9) - drawn
    assert planned == pytest.approx(2e9 * 100 * 128 / (0.03 * 989.4e12))


@pytest.mark.parametrize(("batch_size", "processes", "batches"), [(1, 1, 1000), (1, 8, 125), (100, 1, 10), (300, 2, 2)])
def test_generation_takes_the_time_of_reading_weights_of_computing_and_of_python(
    batch_size: int, processes: int, batches: int
) -> None:
    """Two checkpoints generate 100 tokens for each of 1000 prompts."""
    parameters, sampling = MODELS["7B"].parameters, Sampling(new_tokens=100, batch_size=batch_size)
    token_s = 4 * parameters / 1e12 + 2 * parameters * batch_size / (0.03 * 989.4e12) + 0.05
    expected_s = 2 * (batches * 100 * token_s + 4 * parameters / 2e8)
    assert generation_s(MODELS["7B"], 1000, 2, sampling, GPUS, processes) == pytest.approx(expected_s)


def test_generation_memory() -> None:
    assert generation_memory_mb(MODELS["7B"], 8, SAMPLING, GPUS, processes=2) == 62_000
    contrasting = SAMPLING.model_copy(update={"contrast": Contrast(strength=1.0)})
    assert generation_memory_mb(MODELS["7B"], 8, contrasting, GPUS, processes=1) == 4_000 + 2 * 27_000
    shape = llama(layers=2, hidden_size=64, intermediate_size=64, heads=4, key_value_heads=2, vocabulary=100_000)
    keys_and_values = 128 * (8 + 32) * 2 * 2 * 2 * 16 * 4
    expected = 1500 + (4 * shape.parameters + keys_and_values + 128 * 100_000 * 32) / 1e6
    assert expected <= generation_memory_mb(shape, 8, SAMPLING, CPU, processes=1) < expected + 100


@given(any_shape(), st.integers(1, 4), st.sampled_from([CPU, GPUS]))
def test_every_attempt_gets_more(shape: Shape, attempt: int, hardware: Hardware) -> None:
    geometry = replace(PLAIN, gradient_checkpointing=True)
    before, after = (training_memory_mb(shape, 128, geometry, hardware, number) for number in (attempt, attempt + 1))
    assert 1.5 * before - 200 <= after <= 1.5 * before + 200
    before, after = (generation_memory_mb(shape, 8, SAMPLING, hardware, 1, number) for number in (attempt, attempt + 1))
    assert 1.5 * before - 200 <= after <= 1.5 * before + 200
    expected_s = training_s(shape, SFT, 100, 128, geometry, hardware)
    before, after = (limit_min(expected_s, number) for number in (attempt, attempt + 1))
    assert after == 2 * before
    assert after % 10 == 0
