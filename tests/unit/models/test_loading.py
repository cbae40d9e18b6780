"""Loading of models; weights that are not those that were saved are an error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.core.errors import UserError
from elasticity.models import loading
from elasticity.models.loading import (
    LENGTH,
    PROBE,
    TOLERANCE_NATS,
    check_probe,
    load_for_measuring,
    probe_nats,
    save,
    tokens_of,
    write_probe,
)
from elasticity.runtime.launch import VARIABLE, Launch

CPU = torch.device("cpu")
WEIGHTS = "model.safetensors"


@pytest.fixture
def checkpoints(
    tmp_path: Path, fresh_model: Callable[[], PreTrainedModel], tokenizer: PreTrainedTokenizerFast
) -> tuple[Path, Path]:
    """A model, and the same after one small update."""
    folders = tmp_path / "0", tmp_path / "4"
    model = fresh_model()
    for folder in folders:
        save(model, tokenizer, folder, probe_nats(model, 320, CPU))
        loss = model(input_ids=torch.tensor([[5, 6, 7]]), labels=torch.tensor([[5, 6, 7]])).loss
        loss.backward()
        torch.optim.AdamW(model.parameters(), lr=1e-3).step()
    return folders


def test_the_saved_weights_are_accepted(checkpoints: tuple[Path, Path]) -> None:
    for folder in checkpoints:
        saved = json.loads((folder / PROBE).read_text())["nats"]
        assert probe_nats(load_for_measuring(folder), 320, CPU) == saved


def test_weights_of_another_checkpoint_are_an_error(checkpoints: tuple[Path, Path]) -> None:
    """Both files are complete and have the same shape, so only the probe can notice."""
    shutil.copy(checkpoints[0] / WEIGHTS, checkpoints[1] / WEIGHTS)
    with pytest.raises(UserError) as error:
        load_for_measuring(checkpoints[1])
    saved = json.loads((checkpoints[1] / PROBE).read_text())["nats"]
    assert f"not those that were saved in {checkpoints[1]}" in str(error.value)
    assert f"instead of {saved:.4f}" in str(error.value)
    assert "Delete it and run the same command again" in str(error.value)


def test_a_weight_that_is_not_a_number_is_an_error(checkpoints: tuple[Path, Path]) -> None:
    weights = load_file(checkpoints[0] / WEIGHTS)
    name = next(name for name in weights if name.endswith("q_proj.weight"))
    weights[name][0, 0] = float("nan")
    save_file(weights, checkpoints[0] / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(UserError, match="nan nats"):
        load_for_measuring(checkpoints[0])


def test_a_distributed_model_computes_the_same(checkpoints: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """All its layers are on the CPU here."""
    tokens = torch.tensor([[5, 6, 7]])
    expected = load_for_measuring(checkpoints[1])(input_ids=tokens).logits
    monkeypatch.setenv(VARIABLE, Launch(gpus_per_process=2).environment()[VARIABLE])
    spread = load_for_measuring(checkpoints[1])
    assert torch.equal(spread(input_ids=tokens).logits, expected)
    assert not spread.training


def test_layers_that_do_not_fit_are_an_error(checkpoints: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """accelerate silently moves layers that do not fit to the CPU."""
    monkeypatch.setenv(VARIABLE, Launch(gpus_per_process=2).environment()[VARIABLE])
    monkeypatch.setattr(loading, "device", lambda: torch.device("cuda"))
    with pytest.raises(UserError, match=r"does not fit into the \d+ GPUs that this job sees.*sampling.batch_size"):
        load_for_measuring(checkpoints[1])


def test_a_model_that_was_saved_without_a_probe_is_not_checked(checkpoints: tuple[Path, Path]) -> None:
    (checkpoints[1] / PROBE).unlink()
    shutil.copy(checkpoints[0] / WEIGHTS, checkpoints[1] / WEIGHTS)
    load_for_measuring(checkpoints[1])


def test_the_probe_of_a_uniform_model_is_that_of_the_uniform_distribution(uniform_model: PreTrainedModel) -> None:
    expected = (LENGTH - 1) * torch.tensor(320.0, dtype=torch.float64).log().item()
    assert probe_nats(uniform_model, 320, CPU) == pytest.approx(expected, rel=1e-6)


@given(st.integers(LENGTH, 300_000))
def test_the_tokens_of_the_probe_are_distinct_and_in_the_vocabulary(vocabulary: int) -> None:
    tokens = tokens_of(vocabulary)
    assert len(set(tokens)) == LENGTH
    assert min(tokens) >= 0
    assert max(tokens) < vocabulary


@pytest.mark.parametrize("nats", [80.0 + 1.1 * TOLERANCE_NATS, 80.0 - 1.1 * TOLERANCE_NATS, float("nan"), float("inf")])
def test_a_difference_larger_than_rounding_is_an_error(nats: float, tmp_path: Path) -> None:
    write_probe(tmp_path, 80.0)
    check_probe(tmp_path, 80.0 + 0.9 * TOLERANCE_NATS)
    with pytest.raises(UserError):
        check_probe(tmp_path, nats)


def test_a_saved_probe_that_is_not_a_number_is_an_error(tmp_path: Path) -> None:
    write_probe(tmp_path, float("nan"))
    with pytest.raises(UserError):
        check_probe(tmp_path, float("nan"))
