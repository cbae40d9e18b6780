import json
import math
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import FineTuning, Optimization
from elasticity.core.digests import seal
from elasticity.core.errors import StoppedError, UserError
from elasticity.data.examples import Batch, Example, batched, micro_batches, training_examples
from elasticity.models.loading import load_model, prepare_for_training
from elasticity.models.shapes import shape_of
from elasticity.models.tokenizer import load_tokenizer
from elasticity.resources.flops import training_flops_per_token
from elasticity.runtime.command import Command
from elasticity.runtime.journal import Journal
from elasticity.runtime.launch import Launch
from elasticity.training.algorithms.dpo import Dpo
from elasticity.training.backends import OneProcess
from elasticity.training.checkpoint import Progress, StateFolder
from elasticity.training.jobs import FineTuneJob
from elasticity.training.loop import learning_rate, train
from elasticity.training.metrics import summary
from elasticity.training.objectives import CodeLength
from elasticity.training.recording import Recorder
from elasticity.training.run import RunFiles
from tests.unit.conftest import SHAPE, plain

Fresh = Callable[[], PreTrainedModel]

SETTINGS = Optimization(learning_rate=1e-2, batch_size=2, weight_decay=0.1, precision="fp32")
NEVER = math.inf


class KilledError(Exception):
    """Raised in place of a signal that kills the run."""


class DyingBatches(list[Batch]):
    """Batches of a run that is killed at batch ``death``."""

    death = 0

    def __getitem__(self, place: Any) -> Any:
        if place == self.death:
            raise KilledError
        return super().__getitem__(place)


@pytest.fixture(scope="module")
def batches(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[Batch]:
    return batched(training_examples(plain(sentences), tokenizer, "plain", 24), 2, tokenizer.pad_token_id)


@pytest.fixture
def run(tokenizer: PreTrainedTokenizerFast, fresh_model: Fresh, tmp_path: Path) -> Callable[..., Any]:
    """Train the same fresh model; returns the losses and the folder of the checkpoints."""

    def run(
        batches: list[Batch],
        checkpoints: Mapping[str, int],
        folder: str = "run",
        settings: Optimization = SETTINGS,
        save_every_s: float = NEVER,
        micro_batch: int = 2,
    ) -> tuple[list[dict[str, Any]], Path]:
        state = StateFolder(tmp_path / folder)
        done = train_with(fresh_model(), tokenizer, batches, checkpoints, settings, micro_batch, state, save_every_s)
        return done.losses, state.checkpoints

    return run


def train_with(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    batches: list[Batch],
    checkpoints: Mapping[str, int],
    settings: Optimization,
    micro_batch: int,
    state: StateFolder,
    save_every_s: float,
) -> Progress:
    backend = OneProcess(prepare_for_training(model, Launch()), settings)
    journal = Journal(state.folder / "checkpoints")
    recorder = Recorder(checkpoints, checkpoints, tokenizer)
    return train(backend, batches, CodeLength(), recorder, settings, micro_batch, state, save_every_s, journal)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / "model.safetensors")


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
        "cosine": 0.5 + 0.5 * math.cos(math.pi * done),
    }
    for schedule, rate in expected.items():
        settings = Optimization(learning_rate=1.0, batch_size=1, schedule=schedule, warmup_updates=warmup)
        assert learning_rate(settings, update, warmup + decay) == pytest.approx(rate)


@pytest.mark.parametrize(("schedule", "last"), [("linear", 0.1), ("cosine", 0)])
def test_linear_schedules_end_at_a_tenth_and_cosine_ones_at_zero(schedule: Any, last: float) -> None:
    settings = Optimization(learning_rate=1.0, batch_size=1, schedule=schedule)
    assert learning_rate(settings, 80, 80) == pytest.approx(last)


@pytest.mark.parametrize("warmup", [0, 6])
def test_the_cosine_schedule_is_that_of_transformers(warmup: int) -> None:
    """After warm-up, which begins with one step of the learning rate here and with zero there."""
    settings = Optimization(learning_rate=2.0, batch_size=1, schedule="cosine", warmup_updates=warmup)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    theirs = transformers.get_cosine_schedule_with_warmup(optimizer, warmup, 25)
    for update in range(25):
        if update >= warmup:
            assert learning_rate(settings, update, 25) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


# Checkpoints


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_checkpoint_equals_an_independent_shorter_run_bit_for_bit(
    run: Callable[..., Any], batches: list[Batch], precision: Any
) -> None:
    settings = SETTINGS.model_copy(update={"precision": precision, "warmup_updates": 3})
    long_losses, long = run(batches, {"short": 2, "long": len(batches)}, "long", settings)
    short_losses, short = run(batches[:2], {"short": 2}, "short", settings)
    assert equal(weights(long / "short"), weights(short / "short"))
    assert long_losses[:2] == short_losses
    assert not equal(weights(long / "short"), weights(long / "long"))


def test_checkpoint_zero_is_the_model_as_given(
    run: Callable[..., Any], batches: list[Batch], fresh_model: Fresh
) -> None:
    _, checkpoints = run(batches, {"0": 0})
    given = dict(fresh_model().named_parameters())
    assert equal(weights(checkpoints / "0"), {name: parameter.detach() for name, parameter in given.items()})


def test_a_checkpoint_is_a_whole_model_folder(
    run: Callable[..., Any], batches: list[Batch], tokenizer: PreTrainedTokenizerFast
) -> None:
    _, checkpoints = run(batches, {"1": 1})
    loaded = {name: parameter.detach() for name, parameter in load_model(checkpoints / "1").named_parameters()}
    assert equal(weights(checkpoints / "1"), loaded)
    assert load_tokenizer(checkpoints / "1").get_vocab() == tokenizer.get_vocab()


def test_repeated_training_on_a_batch_lowers_its_loss(run: Callable[..., Any], batches: list[Batch]) -> None:
    losses, _ = run([batches[0]] * 10, {})
    values = [row["loss"] for row in losses]
    assert values == sorted(values, reverse=True)


def test_losses_hold_one_row_per_update(run: Callable[..., Any], batches: list[Batch]) -> None:
    losses, _ = run(batches, {})
    assert [row["update"] for row in losses] == [1, 2, 3, 4]
    assert [row["examples"] for row in losses] == [2, 2, 2, 2]
    assert [row["tokens"] for row in losses] == [int(batch.attention.sum()) - 2 for batch in batches]
    assert losses[0]["loss"] == pytest.approx(math.log(320), rel=0.02)  # random weights


def test_metrics_of_a_run(model: PreTrainedModel) -> None:
    """The mean loss weights all tokens equally; rates are over the time of all attempts."""
    losses = [{"examples": 2, "tokens": 30, "loss": 1.0}, {"examples": 1, "tokens": 10, "loss": 5.0}]
    shape = shape_of(SHAPE)
    done = Progress(2, losses, wall_s=2.0, tokens=72)
    metrics = summary(done, shape, OneProcess(model, SETTINGS), SETTINGS, micro_batch=2)
    assert metrics["mean_loss_nats"] == 2
    assert (metrics["updates"], metrics["target_tokens"]) == (2, 40)
    assert (metrics["examples"], metrics["tokens"]) == (3, 72)
    assert metrics["tokens_per_s"] == metrics["tokens"] / 2
    assert metrics["model_tflop"] == pytest.approx(training_flops_per_token(shape, 24) * metrics["tokens"] / 1e12)
    assert metrics["model_tflop_per_s"] == pytest.approx(metrics["model_tflop"] / 2)
    assert metrics["utilisation"] is None  # of a processor


def test_only_losses_of_sft_are_in_nats(model: PreTrainedModel) -> None:
    """The mean loss weights all pairs equally; a sequence is one response of a pair."""
    losses = [{"examples": 2, "tokens": 30, "loss": 1.0}, {"examples": 1, "tokens": 10, "loss": 4.0}]
    shape, done = shape_of(SHAPE), Progress(2, losses, wall_s=2.0, tokens=72)
    pairs = FineTuning(learning_rate=1e-3, batch_size=2, max_length=16, algorithm=Dpo(kind="dpo"))
    metrics = summary(done, shape, OneProcess(model, pairs), pairs, micro_batch=2)
    assert metrics["mean_loss"] == 2
    assert "mean_loss_nats" not in metrics
    assert metrics["model_tflop"] == pytest.approx(training_flops_per_token(shape, 12) * 72 / 1e12)


# The optimizer


def test_weight_decay_shrinks_matrices_only(run: Callable[..., Any], batches: list[Batch]) -> None:
    checkpoints = {}
    for decay in (0.0, 0.5):
        _, folder = run(batches[:1], {"0": 0, "1": 1}, str(decay), SETTINGS.model_copy(update={"weight_decay": decay}))
        checkpoints[decay] = weights(folder / "1")
    start, shrink = weights(folder / "0"), SETTINGS.learning_rate * 0.5
    for name, value in start.items():
        expected = -shrink * value if value.dim() >= 2 else torch.zeros_like(value)
        torch.testing.assert_close(checkpoints[0.5][name] - checkpoints[0.0][name], expected, atol=1e-6, rtol=0)
    assert {value.dim() for value in start.values()} == {1, 2}


def test_low_precision_weights_are_refused(fresh_model: Fresh) -> None:
    with pytest.raises(TypeError, match="fp32"):
        OneProcess(fresh_model().bfloat16(), SETTINGS)


def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(
    tokenizer: PreTrainedTokenizerFast, fresh_model: Fresh, tmp_path: Path
) -> None:
    """Only the embedding of token 300 is not finite, so only the example that holds it is named."""
    model = fresh_model()
    model.model.embed_tokens.weight.data[300] = math.nan
    model.lm_head.weight = torch.nn.Parameter(fresh_model().lm_head.weight.detach().clone())
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    examples = [Example([0, 5, 6], 1, "good"), Example([0, 300, 7], 1, "bad")]
    with pytest.raises(UserError, match=r"update 1: loss nan.* example bad\. .*Lower the learning rate \(here 0.01\)"):
        train_with(model, tokenizer, batched(examples, 2, 0), {}, SETTINGS, 2, StateFolder(tmp_path), NEVER)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), before[name], rtol=0, atol=0, equal_nan=True)


def test_a_gradient_that_is_not_finite_stops_the_run_too(
    tokenizer: PreTrainedTokenizerFast, fresh_model: Fresh, tmp_path: Path
) -> None:
    model = fresh_model()
    model.model.norm.weight.register_hook(lambda gradient: gradient * math.inf)
    batches = batched([Example([0, 5, 6], 1, "one"), Example([0, 8, 7], 1, "two")], 2, 0)
    with pytest.raises(UserError, match=r"update 1: loss 5\.\d+, gradient norm (nan|inf).* at example one, two"):
        train_with(model, tokenizer, batches, {}, SETTINGS, 2, StateFolder(tmp_path), NEVER)
    assert torch.equal(model.lm_head.weight, fresh_model().lm_head.weight)


# Micro-batches


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))
def test_every_example_is_in_one_part_of_one_process(examples: int, size: int, processes: int) -> None:
    (batch,) = batched([Example([0, i + 1], 1, str(i)) for i in range(examples)], examples, 0)
    parts = [micro_batches(batch, size, rank, processes) for rank in range(processes)]
    assert len({len(part) for part in parts}) == 1  # they wait for each other in every pass
    seen = [name for part in parts for one in part if one.targets for name in one.identities]
    assert sorted(seen, key=int) == [str(i) for i in range(examples)]
    assert all(len(one.tokens) <= size for part in parts for one in part)


class Recording(OneProcess):
    """Keeps the gradient of the last update."""

    def step(self, rate: float) -> None:
        self.gradient = torch.cat([parameter.grad.flatten().clone() for parameter in self.model.parameters()])
        super().step(rate)


def test_micro_batches_change_the_gradient_by_rounding_only(
    fresh_model: Fresh, tokenizer: PreTrainedTokenizerFast, sentences: list[str], tmp_path: Path
) -> None:
    """Texts have different lengths, so the mean over parts of their means would be another gradient."""
    whole = training_examples(plain(sentences), tokenizer, "plain", 24)
    batches = batched([Example(one.tokens[: 3 * i + 2], 1) for i, one in enumerate(whole)], 8, 0)

    def gradient(size: int) -> tuple[float, torch.Tensor]:
        backend = Recording(prepare_for_training(fresh_model(), Launch()), SETTINGS)
        state = StateFolder(tmp_path / str(size))
        done = train(
            backend,
            batches,
            CodeLength(),
            Recorder({}, (), tokenizer),
            SETTINGS,
            size,
            state,
            NEVER,
            Journal(tmp_path / "checkpoints"),
        )
        return done.losses[0]["loss"], backend.gradient

    expected_loss, expected = gradient(8)
    residuals = []
    for size in (1, 3, 4):
        loss, actual = gradient(size)
        assert loss == pytest.approx(expected_loss, abs=1e-6)
        residuals.append(actual - expected)
    residual = torch.cat(residuals).double()
    assert residual.abs().max() < 1e-5 * expected.abs().max()
    assert abs(residual.mean()) < 4 * residual.std() / math.sqrt(len(residual))  # no direction is favoured


def test_gradient_checkpointing_recomputes_the_same_gradient(
    fresh_model: Fresh, tokenizer: PreTrainedTokenizerFast, batches: list[Batch], tmp_path: Path
) -> None:
    gradients = []
    for checkpointing in (False, True):
        model = prepare_for_training(fresh_model(), Launch(gradient_checkpointing=checkpointing))
        assert model.is_gradient_checkpointing == checkpointing
        backend = Recording(model, SETTINGS)
        state = StateFolder(tmp_path / str(checkpointing))
        train(
            backend,
            batches[:1],
            CodeLength(),
            Recorder({}, (), tokenizer),
            SETTINGS,
            2,
            state,
            NEVER,
            Journal(tmp_path / "checkpoints"),
        )
        gradients.append(backend.gradient)
    torch.set_autocast_cache_enabled(True)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_dropout_is_off_in_training(fresh_model: Fresh) -> None:
    """A checkpoint must not depend on the random numbers drawn before."""
    model = fresh_model()
    model.model.layers[0].self_attn.attention_dropout = 0.5
    model.model.norm = torch.nn.Sequential(model.model.norm, torch.nn.Dropout(0.5))
    prepare_for_training(model, Launch())
    tokens = torch.arange(12).view(1, 12)
    assert model.training
    assert torch.equal(model(input_ids=tokens).logits, model(input_ids=tokens).logits)


def test_an_attempt_after_out_of_memory_halves_the_micro_batch(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "run")
    assert state.micro_batch(8) == 8
    assert state.halve_micro_batch(8) == 4
    assert StateFolder(tmp_path / "run").micro_batch(8) == 4
    assert state.halve_micro_batch(1) == 1


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_the_state_and_the_next_attempt_resumes(
    run: Callable[..., Any], batches: list[Batch], tmp_path: Path, number: signal.Signals
) -> None:
    class Signalled(DyingBatches):
        def __getitem__(self, place: Any) -> Any:
            if place == self.death:
                os.kill(os.getpid(), number)
            return list.__getitem__(self, place)

    signalled = Signalled(batches)
    signalled.death = 1
    given = signal.signal(number, signal.default_int_handler)  # a shell's background processes ignore SIGINT
    try:
        with pytest.raises(StoppedError, match="after update 2 of 4: state saved"):
            run(signalled, {}, "stopped")
        assert signal.getsignal(number) == signal.default_int_handler
    finally:
        signal.signal(number, given)
    assert [path.name for path in (tmp_path / "stopped").glob("update-*")] == ["update-00000002"]
    losses, resumed = run(batches, {"4": 4}, "stopped")
    expected_losses, expected = run(batches, {"4": 4}, "whole")
    assert losses == expected_losses
    assert equal(weights(resumed / "4"), weights(expected / "4"))


def test_a_state_of_other_processes_is_refused(run: Callable[..., Any], batches: list[Batch], tmp_path: Path) -> None:
    run(batches, {}, save_every_s=0)
    manifest = tmp_path / "run/update-00000003/manifest.json"
    content = json.loads(manifest.read_text())
    content["backend"] = {"name": "deepspeed", "processes": 2, "zero_stage": 2}
    manifest.write_text(json.dumps(content))
    seal(manifest.parent)
    with pytest.raises(UserError, match="saved by 2 processes with DeepSpeed's ZeRO stage 2, and one process without"):
        run(batches, {})


def test_a_signal_that_is_ignored_stays_ignored(run: Callable[..., Any], batches: list[Batch]) -> None:
    given = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:

        class Interrupted(DyingBatches):
            def __getitem__(self, place: Any) -> Any:
                os.kill(os.getpid(), signal.SIGINT)
                return list.__getitem__(self, place)

        losses, _ = run(Interrupted(batches), {}, "ignored")
        assert len(losses) == 4
    finally:
        signal.signal(signal.SIGINT, given)


# Resuming


@pytest.mark.parametrize("save_every_s", [0, NEVER], ids=["a state each update", "no state"])
@pytest.mark.parametrize("death", [0, 1, 2, 3])
def test_a_killed_run_ends_at_bit_identical_weights(
    run: Callable[..., Any], batches: list[Batch], death: int, save_every_s: float
) -> None:
    checkpoints = {"1": 1, "2": 2, "4": 4}
    dying = DyingBatches(batches)
    dying.death = death
    with pytest.raises(KilledError):
        run(dying, checkpoints, "killed", save_every_s=save_every_s)
    losses, resumed = run(batches, checkpoints, "killed", save_every_s=save_every_s)
    expected_losses, expected = run(batches, checkpoints, "whole")
    assert losses == expected_losses
    for checkpoint in checkpoints:
        assert equal(weights(resumed / checkpoint), weights(expected / checkpoint))


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
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["checkpoints", "update-00000003"]


def test_a_draft_of_a_state_is_ignored(run: Callable[..., Any], batches: list[Batch], tmp_path: Path) -> None:
    expected, _ = run(batches, {}, "whole")
    for name in ("draft-update-00000003", "draft-checkpoint-4"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "model.safetensors").write_bytes(b"half a fi")
    losses, checkpoints = run(batches, {"4": 4})
    assert losses == expected
    assert [path.name for path in checkpoints.iterdir()] == ["4"]
    assert weights(checkpoints / "4")


def test_the_newest_state_is_resumed_from(run: Callable[..., Any], batches: list[Batch], tmp_path: Path) -> None:
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


def test_checkpoints_are_handed_over_before_the_state_goes(
    run: Callable[..., Any], batches: list[Batch], tmp_path: Path
) -> None:
    _, checkpoints = run(batches, {"2": 2, "4": 4})
    state, target = StateFolder(tmp_path / "run"), tmp_path / "output"
    (target / "stale").mkdir(parents=True)
    state.hand_over(target, ["2", "4"])
    assert sorted(path.name for path in target.iterdir()) == ["2", "4"]
    assert equal(weights(target / "2"), weights(checkpoints / "2"))
    state.remove()
    assert not (tmp_path / "run").exists()
    assert load_model(target / "4").config.hidden_size == 16


def test_neither_two_outputs_nor_two_codes_share_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two experiments may hold the same run, and their jobs run side by side."""
    settings = '{"learning_rate":0.1,"batch_size":2,"max_length":8}'
    job = f'{{"start":"0","settings":{settings},"sizes":[2],"seed":1,"template":"plain"}}'

    def state(checkpoints: str, code: str) -> Path:
        files = ["--checkpoints", checkpoints, "--losses", "l", "--metrics", "m", "--state", "s", "--code", code]
        monkeypatch.setattr("sys.argv", ["finetune.py", job, *files])
        command = Command(None, FineTuneJob, "losses", "metrics", "state", output="checkpoints")
        return RunFiles.of(command, [tmp_path]).state

    assert state("a/checkpoints", "1f") == state("a/checkpoints", "1f")
    assert len({state("a/checkpoints", "1f"), state("b/checkpoints", "1f"), state("a/checkpoints", "2e")}) == 3
