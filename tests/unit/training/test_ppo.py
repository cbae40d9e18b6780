"""PPO: the gradient at the first pass, clipping of single tokens, and the probability of rewarded tokens."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import FineTuning
from elasticity.data.examples import Batch, batched
from elasticity.models.loading import prepare_for_training
from elasticity.runtime.launch import Launch
from elasticity.training.algorithms.ppo import Ppo
from elasticity.training.backends import OneProcess
from elasticity.training.objectives import log_probabilities
from elasticity.training.ppo import PpoObjective, Responded, prompt_examples

CONTEXTS = {"a": [0, 40], "b": [0, 50, 60, 70], "c": [0], "d": [0, 41, 42], "e": [0, 43]}


def ones(prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
    return [float(len(response)) for response in responses]


def settings(**ppo: Any) -> FineTuning:
    algorithm = Ppo.model_validate({"kind": "ppo", "new_tokens": 3, "passes": 2} | ppo)
    return FineTuning(learning_rate=0.02, batch_size=5, max_length=16, precision="fp32", algorithm=algorithm)


class Bandit:
    """A model, its start, and a batch of prompts."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, reward: Any, **ppo: Any) -> None:
        tuning = settings(**ppo)
        assert isinstance(tuning.algorithm, Ppo)
        start = prepare_for_training(copy.deepcopy(model), Launch())
        self.backend = OneProcess(prepare_for_training(model, Launch()), tuning)
        prompts = {name: f"prompt {name}" for name in CONTEXTS}
        self.objective = PpoObjective(tuning, tuning.algorithm, tokenizer, prompts, reward, lambda: start, 1)
        (self.batch,) = batched(prompt_examples(CONTEXTS), 5, tokenizer.pad_token_id)

    def parts(self, update: int = 0, micro_batch: int = 5) -> list[Responded]:
        parts = self.objective.parts(self.backend, update, self.batch, micro_batch)
        return [part for part in parts if isinstance(part, Responded)]

    def gradient(self, update: int = 0, micro_batch: int = 5) -> torch.Tensor:
        for part in self.parts(update, micro_batch):
            self.objective.loss(self.backend, part, self.batch).backward()
        return self.take_gradient()

    def take_gradient(self) -> torch.Tensor:
        gradient = torch.cat([parameter.grad.flatten() for parameter in self.backend.model.parameters()])
        self.backend.optimizer.zero_grad()
        return gradient

    def logs(self, part: Batch) -> torch.Tensor:
        return log_probabilities(self.backend, part)


@pytest.fixture(scope="module")
def tiny_bandit(fresh_model: Callable[[], PreTrainedModel], tokenizer: PreTrainedTokenizerFast) -> Bandit:
    return Bandit(fresh_model(), tokenizer, ones)


@pytest.fixture
def bandit(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Callable[..., Bandit]:
    return lambda reward=ones, **ppo: Bandit(copy.deepcopy(model), tokenizer, reward, **ppo)


def test_the_targets_are_the_responses_that_were_drawn(bandit: Callable[..., Bandit]) -> None:
    (part,) = bandit().parts()
    for row, context in zip(range(5), CONTEXTS.values(), strict=True):
        assert part.tokens[row, : len(context)].tolist() == context
        drawn = [place for place, label in enumerate(part.labels[row].tolist()) if label >= 0]
        assert drawn == list(range(len(context), len(context) + len(drawn)))
        assert 1 <= len(drawn) <= 3


def test_responses_depend_on_seed_update_and_prompt_only(bandit: Callable[..., Bandit]) -> None:
    """They do not depend on how the prompts are divided, and a second pass uses those of the first."""
    whole, divided = bandit(), bandit()
    (first,) = whole.parts(0)
    assert whole.parts(1)[0] is first
    (later,) = whole.parts(2)
    assert later.tokens.tolist() != first.tokens.tolist()
    rows = [row[row >= 0].tolist() for part in divided.parts(0, 2) for row in part.labels]
    assert rows == [row[row >= 0].tolist() for row in first.labels]


def test_at_the_first_pass_all_ratios_are_one(bandit: Callable[..., Bandit]) -> None:
    """There is no penalty yet, so the advantages are the standardised scores."""
    one = bandit(beta=1000.0)
    (part,) = one.parts()
    assert torch.equal(one.logs(part), part.before.sum(1))
    scores = [len(one.objective.tokenizer.decode(row[row >= 0], skip_special_tokens=True)) for row in part.labels]
    expected = torch.tensor(scores, dtype=torch.float)
    expected = (expected - expected.mean()) / expected.std(correction=0)
    torch.testing.assert_close(part.advantages, expected)


def test_the_penalty_is_the_log_ratio_to_the_start(bandit: Callable[..., Bandit]) -> None:
    one = bandit(reward=lambda prompts, responses: [0.0] * len(responses), beta=0.5)
    one.backend.model.lm_head.weight.data *= 1.1
    (part,) = one.parts()
    start = one.objective.make_start()
    with torch.no_grad():
        logits = start(input_ids=part.tokens, attention_mask=part.attention).logits
    logs = logits[:, :-1].log_softmax(-1).gather(2, part.labels[:, 1:, None].clamp(min=0))[..., 0]
    penalties = 0.5 * (part.before.sum(1) - logs.where(part.labels[:, 1:] >= 0, 0).sum(1))
    expected = -(penalties - penalties.mean()) / penalties.std(correction=0)
    torch.testing.assert_close(part.advantages, expected, atol=1e-4, rtol=1e-4)


def test_the_first_gradient_is_that_of_reinforce(bandit: Callable[..., Bandit]) -> None:
    """The mean over tokens of the gradient of A log π, for a batch whose responses have different lengths."""
    one = bandit()
    (part,) = one.parts()
    actual = one.gradient()
    (-(one.logs(part) * part.advantages).sum() / part.targets).backward()
    expected = one.take_gradient()
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-4)


def test_micro_batches_change_the_gradient_by_rounding_only(bandit: Callable[..., Bandit]) -> None:
    expected = bandit().gradient()
    for size in (1, 2, 3):
        torch.testing.assert_close(bandit().gradient(micro_batch=size), expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("shift", "advantage", "clipped"), [(1, 1, True), (-1, -1, True), (1, -1, False), (-1, 1, False)]
)
def test_clipped_tokens_have_no_gradient(
    bandit: Callable[..., Bandit], shift: int, advantage: int, clipped: bool
) -> None:
    """Tokens of good responses that became more likely by more than the clip, and of bad ones that became less so."""
    one = bandit(clip=0.2)
    (part,) = one.parts()
    moved = replace(part, before=part.before - shift, advantages=torch.full((5,), float(advantage)))
    loss = one.objective.loss(one.backend, moved, one.batch)
    loss.backward()
    ratio = {1: 1.2 if clipped else 2.71828, -1: 0.8 if clipped else 0.36788}[shift]
    assert loss.item() == pytest.approx(-advantage * ratio, rel=1e-4)
    assert bool((one.take_gradient() == 0).all()) == clipped


@given(st.integers(0, 10**6), st.floats(0.01, 0.6))
@hypothesis.settings(max_examples=25, deadline=None)
def test_the_objective_is_that_of_a_loop_over_tokens(tiny_bandit: Bandit, seed: int, clip: float) -> None:
    """Brute force, in double precision: each token of each response is clipped on its own; a mean over all tokens."""
    one = tiny_bandit
    one.objective.ppo = one.objective.ppo.model_copy(update={"clip": clip})
    (part,) = one.parts()
    random = torch.Generator().manual_seed(seed)
    before = part.before + 0.5 * torch.randn(part.before.shape, generator=random)
    advantages = torch.randn(5, generator=random)
    with torch.no_grad():
        loss = one.objective.loss(one.backend, replace(part, before=before, advantages=advantages), one.batch)
        logits = one.backend.model(input_ids=part.tokens, attention_mask=part.attention).logits
    logs = logits.double().log_softmax(-1).tolist()
    tokens, total = 0, 0.0
    for row, labels in enumerate(part.labels.tolist()):
        for place, label in enumerate(labels):
            if label >= 0:
                ratio = math.exp(logs[row][place - 1][label] - before[row, place - 1].item())
                advantage = advantages[row].item()
                total += min(ratio * advantage, min(max(ratio, 1 - clip), 1 + clip) * advantage)
                tokens += 1
    assert loss.item() == pytest.approx(-total / tokens, rel=1e-4, abs=1e-5)


def test_one_token_outside_the_clip_leaves_the_others_a_gradient(bandit: Callable[..., Bandit]) -> None:
    """The ratio of the whole response is outside, too; clipping it would leave no gradient at all."""
    one = bandit(clip=0.2)
    (part,) = one.parts()
    before = part.before.clone()
    for row, label in enumerate(part.labels[:, 1:]):
        before[row, int((label >= 0).nonzero()[0])] -= 1
    moved = replace(part, before=before, advantages=torch.ones(5))
    one.objective.loss(one.backend, moved, one.batch).backward()
    actual = one.take_gradient()
    logs = -one.backend.nats(part)
    inside = (logs.detach() - before).exp() < 1.2
    (-(logs * inside).sum() / part.targets).backward()
    expected = one.take_gradient()
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=1e-4)


def test_equal_rewards_give_no_gradient(bandit: Callable[..., Bandit]) -> None:
    one = bandit(reward=lambda prompts, responses: [0.7] * len(responses))
    assert (one.gradient() == 0).all()


def test_a_rewarded_token_becomes_more_likely(bandit: Callable[..., Bandit]) -> None:
    """The reward is 1 for responses that begin with the token that the model draws first."""
    one = bandit(new_tokens=1, passes=4)
    (part,) = one.parts()
    (token,) = [label for label in part.labels[0].tolist() if label >= 0]
    wanted = one.objective.tokenizer.decode([token])
    one = bandit(
        reward=lambda _, responses: [float(response == wanted) for response in responses], new_tokens=1, passes=4
    )

    def probability() -> float:
        with torch.no_grad():
            logits = one.backend.model(input_ids=torch.tensor([CONTEXTS["a"]])).logits
        return float(logits[0, -1].softmax(0)[token])

    before = probability()
    for update in range(40):
        for part in one.parts(update):
            one.objective.loss(one.backend, part, one.batch).backward()
        one.backend.gradient_norm()
        one.backend.step(0.02)
    assert probability() > 3 * before


def test_drawing_leaves_the_model_in_training(bandit: Callable[..., Bandit]) -> None:
    one = bandit()
    before = one.backend.model.generation_config
    one.parts()
    assert one.backend.model.training
    assert one.backend.model.generation_config is before


def test_every_pass_is_an_update() -> None:
    assert settings(passes=3).updates(11) == 3 * 3
