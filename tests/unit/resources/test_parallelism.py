"""The geometry of training jobs."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.config.hardware import Hardware
from elasticity.config.training import FineTuning, Lora, Optimization
from elasticity.core.errors import UserError
from elasticity.models.shapes import Shape
from elasticity.resources.memory import training_bytes
from elasticity.resources.parallelism import USABLE, generation_gpus, training_geometry
from elasticity.runtime.launch import Geometry
from tests.unit.shapes import MODELS, any_shape

GB80 = Hardware(device="cuda", gpus_per_node=8, gpu_memory_gb=80)
GB141 = Hardware(device="cuda", gpus_per_node=8, gpu_memory_gb=141)
LENGTH = 512


ADAPTERS = FineTuning(learning_rate=1e-5, batch_size=32, max_length=LENGTH, lora=Lora(rank=16))


def settings(batch_size: int = 32) -> Optimization:
    return Optimization(learning_rate=1e-5, batch_size=batch_size)


def fitted(model: str, hardware: Hardware, batch_size: int = 32) -> Geometry:
    return training_geometry(model, MODELS[model], settings(batch_size), LENGTH, hardware)


def passes(geometry: Geometry, batch_size: int) -> int:
    """Forward passes of each process in one update of so many examples."""
    return -(-batch_size // (geometry.processes * geometry.micro_batch))


def changed(hardware: Hardware, **changes: Any) -> Hardware:
    return Hardware.model_validate(hardware.model_dump() | changes)


# Known models


OUTCOMES = {
    ("1.1B", GB80): (1, 1, None),
    ("2.5B", GB80): (1, 1, None),
    ("4B", GB80): (1, 1, None),
    ("7B", GB80): (1, 4, 2),
    ("8B", GB80): (1, 4, 3),
    ("13B", GB80): (1, 8, 3),
    ("72B", GB80): (4, 8, 3),
    ("4B", GB141): (1, 1, None),
    ("7B", GB141): (1, 1, None),
    ("8B", GB141): (1, 2, 1),
    ("13B", GB141): (1, 4, 2),
    ("72B", GB141): (2, 8, 3),
}


@pytest.mark.parametrize(
    ("model", "hardware", "expected"),
    [(*key, expected) for key, expected in OUTCOMES.items()],
    ids=[f"{model} on {hardware.gpu_memory_gb:.0f} GB" for model, hardware in OUTCOMES],
)
def test_models_take_the_fewest_gpus_and_the_lowest_stage(
    model: str, hardware: Hardware, expected: tuple[int, int, int | None]
) -> None:
    geometry = fitted(model, hardware)
    assert (geometry.nodes, geometry.processes_per_node, geometry.zero_stage) == expected


def test_a_small_model_takes_the_batch_in_one_pass_and_checkpoints_nothing() -> None:
    assert fitted("1.1B", GB80) == Geometry(1, 1, None, 32, False, "none")
    assert fitted("4B", GB80).gradient_checkpointing


def test_without_gpus_nothing_is_divided() -> None:
    assert fitted("72B", Hardware(), batch_size=7) == Geometry(1, 1, None, 7, False, "none")


def test_a_part_of_a_node_is_a_power_of_two_or_all() -> None:
    assert fitted("13B", changed(GB80, gpus_per_node=6)).processes_per_node == 6
    assert fitted("7B", changed(GB80, gpus_per_node=6)).processes_per_node == 4


def test_offloading_needs_fewer_gpus() -> None:
    geometry = fitted("13B", changed(GB80, offload="optimizer"))
    assert (geometry.processes, geometry.zero_stage) == (1, 2)
    assert fitted("72B", changed(GB80, offload="weights")).processes == 1


def test_work_is_divided_evenly() -> None:
    """Seven examples in passes of at most four are four and three, not four, two and one."""
    one_pass = training_bytes(MODELS["2.5B"], LENGTH, Geometry(1, 1, None, 4, False, "none"))
    tight = changed(GB80, gpu_memory_gb=one_pass / USABLE / 1e9)
    assert fitted("2.5B", tight, batch_size=7).micro_batch == 4
    assert fitted("2.5B", tight, batch_size=5).micro_batch == 3
    assert fitted("2.5B", tight, batch_size=9).micro_batch == 3


def test_a_batch_smaller_than_the_processes_leaves_some_of_them_without_work() -> None:
    geometry = fitted("72B", GB80, batch_size=4)
    assert (geometry.processes, geometry.micro_batch, passes(geometry, 4)) == (32, 1, 1)


def test_adapters_take_fewer_gpus() -> None:
    """7B has 28 GB of frozen weights. 13B must not use stage 3, in which adapters cannot be merged."""
    for model, hardware, expected in (("7B", GB80, (1, None)), ("13B", GB80, (1, None)), ("13B", GB141, (1, None))):
        geometry = training_geometry(model, MODELS[model], ADAPTERS, LENGTH, hardware)
        assert (geometry.processes, geometry.zero_stage) == expected


@pytest.mark.parametrize("how", [{"zero_stage": 3}, {"offload": "weights"}], ids=str)
def test_adapters_refuse_settings_that_divide_matrices(how: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="use zero_stage 0, 1 or 2, and offload: none or optimizer"):
        training_geometry("7B", MODELS["7B"], ADAPTERS, LENGTH, changed(GB80, **how))
    with pytest.raises(UserError, match="72B"):
        training_geometry("72B", MODELS["72B"], ADAPTERS, LENGTH, GB80)


def with_algorithm(kind: str, batch_size: int = 32) -> FineTuning:
    values = {"learning_rate": 1e-6, "batch_size": batch_size, "max_length": LENGTH, "algorithm": {"kind": kind}}
    return FineTuning.model_validate(values)


def test_the_reference_model_and_the_score_model_of_ppo_need_memory() -> None:
    """With ZeRO stage 2, 7B needs 4 P + 16 P / n, 4 P for the reference model, and 4 bytes a parameter to score."""
    shape, ppo = MODELS["7B"], with_algorithm("ppo")
    geometry = training_geometry("7B", shape, ppo, LENGTH, GB80, 355_000_000)
    assert (geometry.processes, geometry.zero_stage) == (16, 2)
    kept = 4 * (shape.parameters + 355_000_000)
    assert training_bytes(shape, LENGTH, geometry) + kept <= USABLE * 80e9
    with pytest.raises(UserError, match="does not fit"):  # 12 P and more
        training_geometry("7B", shape, ppo, LENGTH, GB80, 6_610_000_000)


def test_ppo_needs_undivided_matrices() -> None:
    with pytest.raises(UserError, match="ppo samples responses with undivided matrices: use zero_stage 0, 1 or 2"):
        training_geometry("7B", MODELS["7B"], with_algorithm("ppo"), LENGTH, changed(GB80, zero_stage=3))
    with pytest.raises(UserError, match="does not fit") as error:
        training_geometry("72B", MODELS["72B"], with_algorithm("ppo"), LENGTH, GB80)
    assert "zero_stage 2, offload: optimizer, gradient_checkpointing" in str(error.value)
    assert "zero_stage 3" not in str(error.value)


@pytest.mark.parametrize("kind", ["dpo", "kto", "simpo"])
def test_the_two_responses_of_a_pair_are_in_one_pass(kind: str) -> None:
    """They need twice the memory, and a micro-batch holds at least both."""
    shape, pairs = MODELS["4B"], with_algorithm(kind, 7)
    assert training_geometry("4B", shape, pairs, LENGTH, Hardware()).micro_batch == 14
    assert training_geometry("4B", shape, pairs, LENGTH, changed(GB80, micro_batch=1)).micro_batch == 2
    assert training_geometry("4B", shape, pairs, LENGTH, changed(GB80, micro_batch=5)).micro_batch == 4
    for gb in (80, 141):
        geometry = training_geometry("4B", shape, pairs, LENGTH, changed(GB80, gpu_memory_gb=gb))
        assert geometry.micro_batch % 2 == 0
        assert fits(shape, geometry, changed(GB80, gpu_memory_gb=gb))


# Errors


def test_a_model_that_does_not_fit_is_an_error_that_says_what_helps() -> None:
    with pytest.raises(UserError) as error:
        fitted("13B", changed(GB80, gpus=2))
    text = str(error.value)
    assert "model 13B (13.0e9 parameters)" in text
    needed, usable = map(float, re.findall(r"([\d.]+) GB", text))
    smallest = Geometry(1, 2, 3, 1, True, "none")
    assert needed == round(training_bytes(MODELS["13B"], LENGTH, smallest) / 1e9, 1)
    assert usable == 72
    assert "each of 2 GPUs with ZeRO stage 3" in text
    for lever in ("more memory", "gpus", "zero_stage 3", "offload", "gradient_checkpointing", "micro_batch"):
        assert lever in text


@given(any_shape(), st.integers(1, 16), st.sampled_from([24.0, 80.0, 141.0]), st.floats(0.1, 20))
def test_generation_gets_the_fewest_gpus_with_room_for_whole_layers(
    shape: Shape, gpus_per_node: int, gpu_memory_gb: float, times: float
) -> None:
    """The GPUs hold all layers if they are filled one after the other."""
    hardware = Hardware(device="cuda", gpus_per_node=gpus_per_node, gpu_memory_gb=gpu_memory_gb)
    usable, layer = USABLE * gpu_memory_gb * 1e9, 4 * max(shape.layer, shape.embedding)
    needed = max(1, math.ceil(times * usable))
    gpus = generation_gpus(shape, needed, hardware)
    assert (gpus == 1) == (needed <= usable)
    assert gpus <= gpus_per_node + 1
    if 1 < gpus <= gpus_per_node:
        assert gpus * (usable - layer) >= needed * (1 - 1e-9)
    if gpus > 2:
        assert (gpus - 1) * (usable - layer) < needed


def test_the_search_ends() -> None:
    with pytest.raises(UserError, match="72B"):
        fitted("72B", changed(GB80, gpu_memory_gb=1))


# Properties for any model and study

CHOICES = st.fixed_dictionaries(
    {
        "device": st.sampled_from(["cpu", "cuda"]),
        "gpus_per_node": st.integers(1, 16),
        "gpu_memory_gb": st.sampled_from([0.1, 4.0, 16.0, 80.0, 141.0]),
    },
    optional={
        "zero_stage": st.sampled_from([0, 1, 2, 3]),
        "micro_batch": st.integers(1, 40),
        "gradient_checkpointing": st.booleans(),
    },
)


@st.composite
def any_hardware(draw: st.DrawFn) -> Hardware:
    values = draw(CHOICES)
    if draw(st.booleans()):
        nodes = draw(st.integers(1, 4))
        values["gpus"] = nodes * values["gpus_per_node"] if nodes > 1 else draw(st.integers(1, values["gpus_per_node"]))
    allowed = [
        offload
        for offload, stage in (("none", 0), ("optimizer", 1), ("weights", 3))
        if values.get("zero_stage", 3) >= stage
    ]
    return Hardware.model_validate(values | {"offload": draw(st.sampled_from(allowed))})


def fits(shape: Shape, geometry: Geometry, hardware: Hardware) -> bool:
    return training_bytes(shape, LENGTH, geometry) <= USABLE * hardware.gpu_memory_gb * 1e9


@given(any_shape(), any_hardware(), st.integers(1, 300))
def test_the_chosen_geometry_fits_and_agrees_with_the_study(shape: Shape, hardware: Hardware, batch_size: int) -> None:
    try:
        geometry = training_geometry("any", shape, settings(batch_size), LENGTH, hardware)
    except UserError:
        return
    assert fits(shape, geometry, hardware)
    assert geometry.offload == hardware.offload
    assert geometry.processes_per_node <= hardware.gpus_per_node
    assert geometry.nodes == 1 or geometry.processes_per_node == hardware.gpus_per_node
    chosen = {
        "gpus": geometry.processes,
        "zero_stage": geometry.zero_stage,
        "micro_batch": geometry.micro_batch,
        "gradient_checkpointing": geometry.gradient_checkpointing,
    }
    assert all(getattr(hardware, key) in ("auto", value) for key, value in chosen.items())
    assert geometry.processes == 1 or geometry.zero_stage is not None
    covered = geometry.micro_batch * geometry.processes * passes(geometry, batch_size)
    assert batch_size <= covered < batch_size + geometry.micro_batch * geometry.processes


@given(any_shape(), st.integers(1, 300), st.sampled_from([4.0, 16.0, 80.0]))
def test_no_preferred_geometry_fits(shape: Shape, batch_size: int, gpu_memory_gb: float) -> None:
    hardware = Hardware(device="cuda", gpus_per_node=8, gpu_memory_gb=gpu_memory_gb)
    try:
        chosen = training_geometry("any", shape, settings(batch_size), LENGTH, hardware)
    except UserError:
        assert not fits(shape, Geometry(64, 8, 3, 1, True, "none"), hardware)
        return
    if chosen.processes > 1:
        fewer = {"nodes": chosen.nodes - 1} if chosen.nodes > 1 else {"processes_per_node": chosen.processes // 2}
        stages = (None,) if chosen.processes == 2 else (0, 1, 2, 3)
        smallest = replace(chosen, **fewer, micro_batch=1, gradient_checkpointing=True)
        assert not any(fits(shape, replace(smallest, zero_stage=stage), hardware) for stage in stages)
    if chosen.zero_stage:
        lower = replace(chosen, zero_stage=chosen.zero_stage - 1, micro_batch=1, gradient_checkpointing=True)
        assert not fits(shape, lower, hardware)
    if chosen.gradient_checkpointing:
        assert not fits(shape, replace(chosen, micro_batch=1, gradient_checkpointing=False), hardware)
    count = passes(chosen, batch_size)
    if count > 1:
        larger = replace(chosen, micro_batch=-(-batch_size // (chosen.processes * (count - 1))))
        assert not fits(shape, larger, hardware)
