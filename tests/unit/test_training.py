import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.command import Command
from elasticity.errors import UserError
from elasticity.examples import Batch, batched, text_examples
from elasticity.jobs import FineTuneJob
from elasticity.models import load_model
from elasticity.runs import RunFiles
from elasticity.settings import Optimization
from elasticity.state import StateFolder
from elasticity.tokenization import load_tokenizer
from elasticity.training import learning_rate, summary, train

Fresh = Callable[[], PreTrainedModel]

SETTINGS = Optimization(learning_rate=1e-2, batch_size=2, weight_decay=0.1, precision="fp32")
NEVER = math.inf


class KilledError(Exception):
    """Stands for a signal."""


class DyingBatches(list[Batch]):
    """Batches of a run that is killed when it asks for batch ``death``."""

    death = 0

    def __getitem__(self, place: Any) -> Any:
        if place == self.death:
            raise KilledError
        return super().__getitem__(place)


@pytest.fixture(scope="module")
def batches(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[Batch]:
    return batched(text_examples(sentences, tokenizer, 24), 2, tokenizer.pad_token_id)


@pytest.fixture
def run(tokenizer: PreTrainedTokenizerFast, fresh_model: Fresh, tmp_path: Path) -> Callable[..., Any]:
    """Train the same fresh model; returns the losses and the folder of the rungs."""

    def run(
        batches: list[Batch],
        rungs: Mapping[int, str],
        folder: str = "run",
        settings: Optimization = SETTINGS,
        save_every_s: float = NEVER,
    ) -> tuple[list[dict[str, Any]], Path]:
        state = StateFolder(tmp_path / folder)
        losses = train(fresh_model(), tokenizer, batches, rungs, settings, state, save_every_s)
        return losses, state.rungs

    return run


def weights(rung: Path) -> dict[str, torch.Tensor]:
    return load_file(rung / "model.safetensors")


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Learning rate


@given(st.integers(0, 20), st.integers(1, 50))
def test_warm_up_is_linear_and_ends_at_the_peak(warmup: int, decay: int) -> None:
    settings = Optimization(learning_rate=3.0, batch_size=1, schedule="cosine", warmup_updates=warmup)
    rates = [learning_rate(settings, update, warmup + decay) for update in range(warmup + 1)]
    assert rates[:-1] == pytest.approx([3 * i / warmup for i in range(1, warmup + 1)])
    assert rates[-1] == pytest.approx(3)


@given(st.integers(0, 20), st.integers(1, 50), st.floats(0, 1))
def test_schedules_follow_their_closed_forms(warmup: int, decay: int, share: float) -> None:
    update = warmup + round(share * decay)
    done = round(share * decay) / decay
    expected = {
        "constant": 1,
        "linear": 1 - 0.9 * done,
        "cosine": 0.55 + 0.45 * math.cos(math.pi * done),
    }
    for schedule, rate in expected.items():
        settings = Optimization(learning_rate=1.0, batch_size=1, schedule=schedule, warmup_updates=warmup)
        assert learning_rate(settings, update, warmup + decay) == pytest.approx(rate)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_decaying_schedules_head_for_a_tenth(schedule: Any) -> None:
    settings = Optimization(learning_rate=1.0, batch_size=1, schedule=schedule)
    assert learning_rate(settings, 80, 80) == pytest.approx(0.1)


# Rungs


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_rung_equals_an_independent_shorter_run_bit_for_bit(
    run: Callable[..., Any], batches: list[Batch], precision: Any
) -> None:
    settings = SETTINGS.model_copy(update={"precision": precision, "warmup_updates": 3})
    long_losses, long = run(batches, {2: "short", len(batches): "long"}, "long", settings)
    short_losses, short = run(batches[:2], {2: "short"}, "short", settings)
    assert equal(weights(long / "short"), weights(short / "short"))
    assert long_losses[:2] == short_losses
    assert not equal(weights(long / "short"), weights(long / "long"))


def test_rung_zero_is_the_model_as_given(run: Callable[..., Any], batches: list[Batch], fresh_model: Fresh) -> None:
    _, rungs = run(batches, {0: "0"})
    given = dict(fresh_model().named_parameters())
    assert equal(weights(rungs / "0"), {name: parameter.detach() for name, parameter in given.items()})


def test_a_rung_is_a_whole_model_folder(
    run: Callable[..., Any], batches: list[Batch], tokenizer: PreTrainedTokenizerFast
) -> None:
    _, rungs = run(batches, {1: "1"})
    loaded = {name: parameter.detach() for name, parameter in load_model(rungs / "1").named_parameters()}
    assert equal(weights(rungs / "1"), loaded)
    assert load_tokenizer(rungs / "1").get_vocab() == tokenizer.get_vocab()


def test_training_on_a_batch_again_lowers_its_loss(run: Callable[..., Any], batches: list[Batch]) -> None:
    losses, _ = run([batches[0]] * 10, {})
    values = [row["loss"] for row in losses]
    assert values == sorted(values, reverse=True)


def test_losses_tell_what_each_update_saw(run: Callable[..., Any], batches: list[Batch]) -> None:
    losses, _ = run(batches, {})
    assert [row["update"] for row in losses] == [1, 2, 3, 4]
    assert [row["examples"] for row in losses] == [2, 2, 2, 2]
    assert [row["tokens"] for row in losses] == [int(batch.attention.sum()) - 2 for batch in batches]
    assert losses[0]["loss"] == pytest.approx(math.log(320), rel=0.02)  # random weights


def test_the_mean_loss_weighs_every_token_alike(model: PreTrainedModel) -> None:
    losses = [{"examples": 2, "tokens": 30, "loss": 1.0}, {"examples": 1, "tokens": 10, "loss": 5.0}]
    metrics = summary(losses, model, SETTINGS, wall_s=2.0)
    assert metrics["mean_loss_nats"] == 2
    assert (metrics["updates"], metrics["examples"], metrics["target_tokens"]) == (2, 3, 40)


# The optimizer


def test_weight_decay_shrinks_matrices_only(run: Callable[..., Any], batches: list[Batch]) -> None:
    rungs = {}
    for decay in (0.0, 0.5):
        _, folder = run(batches[:1], {0: "0", 1: "1"}, str(decay), SETTINGS.model_copy(update={"weight_decay": decay}))
        rungs[decay] = weights(folder / "1")
    start, shrink = weights(folder / "0"), SETTINGS.learning_rate * 0.5
    for name, value in start.items():
        expected = -shrink * value if value.dim() >= 2 else torch.zeros_like(value)
        torch.testing.assert_close(rungs[0.5][name] - rungs[0.0][name], expected, atol=1e-6, rtol=0)
    assert {value.dim() for value in start.values()} == {1, 2}


def test_low_precision_weights_are_refused(
    tokenizer: PreTrainedTokenizerFast, fresh_model: Fresh, batches: list[Batch], tmp_path: Path
) -> None:
    with pytest.raises(TypeError, match="fp32"):
        train(fresh_model().bfloat16(), tokenizer, batches, {}, SETTINGS, StateFolder(tmp_path), NEVER)


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(
    tokenizer: PreTrainedTokenizerFast, fresh_model: Fresh, batches: list[Batch], tmp_path: Path
) -> None:
    model = fresh_model()
    model.model.norm.weight.data.fill_(math.nan)
    with pytest.raises(UserError, match=r"update 1: loss nan.*Lower the learning rate \(0.01\)"):
        train(model, tokenizer, batches, {}, SETTINGS, StateFolder(tmp_path), NEVER)
    assert torch.equal(model.lm_head.weight, fresh_model().lm_head.weight)


# Resuming


@pytest.mark.parametrize("save_every_s", [0, NEVER], ids=["a state each update", "no state"])
@pytest.mark.parametrize("death", [0, 1, 2, 3])
def test_a_killed_run_ends_bit_equal_to_one_that_was_not(
    run: Callable[..., Any], batches: list[Batch], death: int, save_every_s: float
) -> None:
    rungs = {1: "1", 2: "2", 4: "4"}
    dying = DyingBatches(batches)
    dying.death = death
    with pytest.raises(KilledError):
        run(dying, rungs, "killed", save_every_s=save_every_s)
    losses, resumed = run(batches, rungs, "killed", save_every_s=save_every_s)
    expected_losses, expected = run(batches, rungs, "whole")
    assert losses == expected_losses
    for rung in rungs.values():
        assert equal(weights(resumed / rung), weights(expected / rung))


def test_a_resumed_run_does_not_repeat_updates(run: Callable[..., Any], batches: list[Batch], tmp_path: Path) -> None:
    dying = DyingBatches(batches)
    dying.death = 3
    with pytest.raises(KilledError):
        run(dying, {}, save_every_s=0)
    dying.death = 2  # update 3 is done: this batch is not asked for again
    losses, _ = run(dying, {}, save_every_s=0)
    assert len(losses) == 4


def test_only_the_last_state_is_kept(run: Callable[..., Any], batches: list[Batch], tmp_path: Path) -> None:
    run(batches, {}, save_every_s=0)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["rungs", "update-00000003"]


def test_a_draft_does_not_count(run: Callable[..., Any], batches: list[Batch], tmp_path: Path) -> None:
    expected, _ = run(batches, {}, "whole")
    for name in ("draft-update-00000003", "draft-rung-4"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "model.safetensors").write_bytes(b"half a fi")
    losses, rungs = run(batches, {4: "4"})
    assert losses == expected
    assert [path.name for path in rungs.iterdir()] == ["4"]
    assert weights(rungs / "4")


def test_the_newest_state_wins(run: Callable[..., Any], batches: list[Batch], tmp_path: Path) -> None:
    """A run that is killed between publishing a state and removing the one before leaves both."""
    for folder, death in (("run", 1), ("later", 3)):
        dying = DyingBatches(batches)
        dying.death = death
        with pytest.raises(KilledError):
            run(dying, {}, folder, save_every_s=0)
    (tmp_path / "later" / "update-00000003").rename(tmp_path / "run" / "update-00000003")
    dying.death = 1
    losses, _ = run(dying, {})
    assert len(losses) == 4


def test_rungs_are_handed_over_before_the_state_goes(
    run: Callable[..., Any], batches: list[Batch], tmp_path: Path
) -> None:
    _, rungs = run(batches, {2: "2", 4: "4"})
    state, target = StateFolder(tmp_path / "run"), tmp_path / "output"
    (target / "stale").mkdir(parents=True)
    state.hand_over(target)
    assert sorted(path.name for path in target.iterdir()) == ["2", "4"]
    assert equal(weights(target / "2"), weights(rungs / "2"))
    state.remove()
    assert not (tmp_path / "run").exists()
    assert load_model(target / "4").config.hidden_size == 16


def test_two_outputs_never_share_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two experiments may hold the same run, and their jobs run side by side."""
    job = '{"start":"0","settings":{"learning_rate":0.1,"batch_size":2,"max_length":8},"sizes":[2],"seed":1}'

    def state(rungs: str) -> Path:
        files = ["--rungs", rungs, "--losses", "l", "--metrics", "m", "--state", "s"]
        monkeypatch.setattr("sys.argv", ["finetune.py", job, *files])
        command = Command(None, FineTuneJob, "rungs", "losses", "metrics", "state")
        return RunFiles.of(command, "finetune.py", [tmp_path]).state

    assert state("a/rungs") == state("a/rungs") != state("b/rungs")
