"""Every algorithm in the training loop: checkpoints, killed runs, and mistakes in the data."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.core.errors import UserError
from elasticity.data.examples import Batch
from elasticity.models.loading import prepare_for_training, save
from elasticity.runtime.journal import Journal
from elasticity.runtime.launch import Launch
from elasticity.training.algorithms.ppo import Ppo
from elasticity.training.algorithms.sft import Sft
from elasticity.training.backends import OneProcess
from elasticity.training.checkpoint import StateFolder
from elasticity.training.datasets import TrainingData, TrainingInputs, responses
from elasticity.training.jobs import FineTuneJob
from elasticity.training.loop import train
from elasticity.training.ppo import rewarded_prompts
from elasticity.training.recording import Recorder
from tests.unit.conftest import plain

Fresh = Callable[[], PreTrainedModel]

ALGORITHMS: dict[str, dict[str, Any]] = {
    "dpo": {"kind": "dpo"},
    "kto": {"kind": "kto"},
    "simpo": {"kind": "simpo"},
    "ppo": {"kind": "ppo", "new_tokens": 4, "passes": 2},
}


REWARD = {"score_model": {"kind": "snippet-classifier"}}


def job(kind: str, *sizes: int, **changes: Any) -> FineTuneJob:
    settings = {"learning_rate": 0.01, "batch_size": 2, "max_length": 40, "weight_decay": 0.1, "precision": "fp32"}
    settings |= {"algorithm": ALGORITHMS[kind]}
    values = {"start": "0", "settings": settings, "sizes": tuple(sizes), "seed": 1, "template": "plain"}
    values["reward"] = REWARD | {"side": "negative"}
    return FineTuneJob.model_validate(values | changes)


class Lengths:
    """Scores responses by their length."""

    def score(self, prompts: Any, responses: Any) -> list[float]:
        return [float(len(response)) for response in responses]


class Loop:
    """Trains the same fresh model on the same data."""

    def __init__(self, folder: Path, fresh: Fresh, tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> None:
        self.folder, self.fresh, self.tokenizer = folder, fresh, tokenizer
        self.this_side, self.other_side = plain(sentences[:4]), plain(sentences[4:])
        for row in self.other_side:
            row["id"] += " of the other side"
        self.prompts = [{"prompt_id": str(i), "prompt": sentence[:9]} for i, sentence in enumerate(sentences[:4])]
        save(fresh(), tokenizer, folder / "start", 0.0)

    def data(self, job: FineTuneJob) -> TrainingData:
        algorithm, sides = job.settings.algorithm, (self.this_side, self.other_side)
        inputs = TrainingInputs(job, self.tokenizer, self.folder / "start", sides, self.prompts)
        if isinstance(algorithm, Ppo):
            return rewarded_prompts(algorithm, inputs, Lengths())
        data: TrainingData = algorithm.training_data(inputs)
        return data

    def train(
        self, job: FineTuneJob, name: str, death: int | None = None, save_every_s: float = math.inf
    ) -> tuple[list[dict[str, Any]], dict[str, dict[str, torch.Tensor]]]:
        """Return the losses and the weights of each checkpoint; the run is killed at update ``death``."""
        data = self.data(job)
        batches = Dying(data.batches)
        batches.death = death
        backend = OneProcess(prepare_for_training(self.fresh(), Launch()), job.settings)
        checkpoints = {str(size): job.settings.updates(size) for size in job.sizes}
        recorder = Recorder(checkpoints, checkpoints, self.tokenizer)
        state = StateFolder(self.folder / name)
        journal = Journal(self.folder / f"{name}-checkpoints")
        done = train(backend, batches, data.objective, recorder, job.settings, 4, state, save_every_s, journal)
        return done.losses, {
            checkpoint: load_file(state.checkpoints / checkpoint / "model.safetensors") for checkpoint in checkpoints
        }


class KilledError(Exception):
    """Raised in place of a signal that kills the run."""


class Dying(list[Batch]):
    """Batches of a run that is killed at batch ``death``."""

    death: int | None = None

    def __getitem__(self, place: Any) -> Any:
        if place == self.death:
            raise KilledError
        return super().__getitem__(place)


@pytest.fixture
def loop(tmp_path: Path, fresh_model: Fresh, tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> Loop:
    return Loop(tmp_path, fresh_model, tokenizer, sentences)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_checkpoint_equals_an_independent_run_bit_for_bit(loop: Loop, kind: str) -> None:
    long_losses, long = loop.train(job(kind, 0, 2, 4), "long")
    short_losses, short = loop.train(job(kind, 2), "short")
    assert long_losses[: len(short_losses)] == short_losses
    assert equal(long["2"], short["2"])
    assert not equal(long["2"], long["4"])
    assert not equal(long["0"], long["2"])


@pytest.mark.parametrize("save_every_s", [0, math.inf], ids=["a state each update", "no state"])
@pytest.mark.parametrize(("kind", "death"), [("dpo", 1), ("kto", 1), ("ppo", 1), ("ppo", 2), ("ppo", 3)])
def test_a_killed_run_ends_at_bit_identical_weights(loop: Loop, kind: str, death: int, save_every_s: float) -> None:
    """PPO makes two updates on each batch; an interruption between them would lose the drawn responses."""
    with pytest.raises(KilledError):
        loop.train(job(kind, 4), "killed", death, save_every_s)
    saved = [path.name for path in (loop.folder / "killed").glob("update-*")]
    if kind == "ppo":
        assert saved == (["update-00000002"] if death > 1 and not save_every_s else [])
    assert loop.train(job(kind, 4), "killed")[0] == loop.train(job(kind, 4), "whole")[0]
    resumed, whole = (load_file(loop.folder / name / "checkpoints/4/model.safetensors") for name in ("killed", "whole"))
    assert equal(resumed, whole)


def test_losses_hold_one_row_per_update(loop: Loop) -> None:
    (first, last), _ = loop.train(job("dpo", 3), "dpo")
    assert (first["examples"], last["examples"]) == (2, 1)
    rows = loop.data(job("dpo", 3)).batches
    assert (first["tokens"], last["tokens"]) == (rows[0].targets, rows[1].targets)
    assert first["loss"] == pytest.approx(math.log(2))
    losses, _ = loop.train(job("ppo", 4), "ppo")
    assert [row["update"] for row in losses] == [1, 2, 3, 4]
    assert all(row["examples"] == 2 and 2 <= row["tokens"] <= 8 for row in losses)
    assert losses[0]["loss"] == pytest.approx(0, abs=1e-6)  # the mean of standardised advantages


def test_training_lowers_the_loss_of_preferences(loop: Loop) -> None:
    """The loss of a batch falls when it is repeated."""
    for kind in ("dpo", "kto", "simpo"):
        two_epochs = job(kind, 2)
        settings = two_epochs.settings.model_copy(update={"epochs": 6, "batch_size": 2})
        losses, _ = loop.train(two_epochs.model_copy(update={"settings": settings}), kind)
        assert losses[-1]["loss"] < losses[0]["loss"] - 0.01


def test_the_reward_of_the_negative_side_is_minus_the_score(loop: Loop) -> None:
    def objective(side: str) -> Any:
        return loop.data(job("ppo", 2, reward=REWARD | {"side": side})).objective

    objectives = [objective(side) for side in ("positive", "negative")]
    assert [one.reward(["p", "q"], ["ab", "c"]) for one in objectives] == [[2, 1], [-2, -1]]


def test_too_few_examples_are_refused_with_their_number(loop: Loop) -> None:
    with pytest.raises(UserError, match=r"6 examples of each side are needed, but the data give 4: lower the sizes"):
        loop.data(job("kto", 6))
    for number, row in enumerate(loop.other_side):
        row["prompt"] = "" if number < 3 else "another question"
    with pytest.raises(UserError, match="4 pairs of responses to the same prompt are needed, but the data give 3"):
        loop.data(job("dpo", 4))
    with pytest.raises(UserError, match="5 prompts are needed, but the data give 4"):
        loop.data(job("ppo", 5))


def test_prompts_without_room_for_a_response_are_refused(loop: Loop) -> None:
    prompts = copy.deepcopy(loop.prompts)
    prompts[1]["prompt"] = "long " * 40
    loop.prompts = prompts
    with pytest.raises(UserError, match=r"max_length is 40, but prompt 1 takes \d+ tokens .* raise max_length"):
        loop.data(job("ppo", 4))


def test_skip_leaves_out_the_first_examples_of_the_order(
    tokenizer: PreTrainedTokenizerFast, sentences: list[str]
) -> None:
    rows = plain(sentences)
    sft = job("dpo", 6).model_copy(update={"settings": job("dpo", 6).settings.model_copy(update={"algorithm": Sft()})})
    whole = responses(sft, tokenizer, [rows]).batches
    rest = responses(sft.model_copy(update={"sizes": (0, 4), "skip": 2}), tokenizer, [rows]).batches
    assert [batch.identities for batch in rest] == [batch.identities for batch in whole[1:]]
    assert all(torch.equal(one.tokens, other.tokens) for one, other in zip(rest, whole[1:], strict=True))
    with pytest.raises(UserError, match="6 examples behind the first 3 are needed, but the data give 5"):
        responses(sft.model_copy(update={"skip": 3}), tokenizer, [rows])
