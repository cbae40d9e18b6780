"""Proximal policy optimization (Schulman et al. 2017, eq. 7) of a score.

Each token of a response is an action, and its probability ratio is clipped on its own. The reward is that of the whole
response, so all its tokens have the same advantage, and the baseline is the mean reward of the batch. A value network
would need settings that no version of the paper states.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import Module
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from typing_extensions import override

from elasticity.config.sampling import Sampling
from elasticity.config.training import FineTuning
from elasticity.core.errors import UserError
from elasticity.data.chat_templates import context
from elasticity.data.examples import IGNORED, Batch, Example, batched, collate, epochs, shuffled
from elasticity.evaluation.generation import TransformersEngine
from elasticity.evaluation.scoring import ScoreModel
from elasticity.models.loading import load_model, prepare_for_training
from elasticity.models.tokenizer import decode
from elasticity.runtime.launch import Launch
from elasticity.training.algorithms.ppo import Ppo
from elasticity.training.backends import Backend, nats
from elasticity.training.datasets import TrainingData, TrainingInputs, first_of
from elasticity.training.objectives import Objective, divided

SMALLEST_SPREAD = 1e-6
"""Rewards whose standard deviation in a batch is smaller count as equal: all advantages are then 0."""


Reward = Callable[[Sequence[str], Sequence[str]], list[float]]
"""A function of prompts and responses that returns the reward of each response."""


@dataclass(frozen=True, kw_only=True)
class Responded(Batch):
    """Prompts with drawn responses as targets."""

    before: torch.Tensor
    """Log π_old of each target token, shape (responses, tokens - 1); 0 where there is no target."""

    advantages: torch.Tensor
    """The advantage of each response, shape (responses,)."""

    total: int
    """The number of target tokens of the whole batch, on all processes."""


class PpoObjective(Objective):
    """−mean min(r A, clip(r, 1 − ε, 1 + ε) A) over the tokens of all responses of a batch.

    r = π(y_t|x, y_<t) / π_old(y_t|x, y_<t) is the ratio of one token. The advantage A of a response y is its reward
    minus ``beta`` log π_old(y|x)/π_start(y|x), standardised over the responses of the batch; it is 0 if all rewards are
    equal. A batch holds prompts as ``prompt_examples`` makes them. Responses are drawn from π_old, the model before the
    first of ``passes`` updates on the batch, with random numbers that depend on seed, update and prompt only.
    ``make_start`` loads the model at the start of the run, which every process keeps.
    """

    def __init__(
        self,
        settings: FineTuning,
        ppo: Ppo,
        tokenizer: PreTrainedTokenizerFast,
        prompts: Mapping[str, str],
        reward: Reward,
        make_start: Callable[[], PreTrainedModel],
        seed: int,
    ) -> None:
        self.passes = ppo.passes
        self.settings, self.ppo, self.tokenizer, self.seed = settings, ppo, tokenizer, seed
        self.prompts, self.reward = prompts, reward
        self.make_start = make_start
        self.start: PreTrainedModel | None = None
        self.has_responses: list[Batch] = []

    @override
    def parts(self, backend: Backend, update: int, batch: Batch, micro_batch: int) -> list[Batch]:
        if update % self.passes == 0:
            prompts = divided(backend, batch, micro_batch)
            drawn = [self._drawn(backend, part, update) for part in prompts]
            before = [_token_logs(backend, part) for part in drawn]
            rewards = [self._rewards(backend, part, logs.sum(1)) for part, logs in zip(drawn, before, strict=True)]
            advantages = _advantages(backend, rewards, len(batch.tokens))
            total = int(backend.total(sum(part.targets for part in drawn)))
            self.has_responses = [
                Responded(**vars(part), before=logs, advantages=advantage, total=total)
                for part, logs, advantage in zip(drawn, before, advantages, strict=True)
            ]
        return self.has_responses

    @override
    def loss(self, backend: Backend, part: Batch, batch: Batch) -> torch.Tensor:
        assert isinstance(part, Responded)
        ratios = (-backend.nats(part) - part.before).exp()
        clipped = ratios.clamp(1 - self.ppo.clip, 1 + self.ppo.clip)
        advantages = part.advantages[:, None] * (part.labels[:, 1:] != IGNORED)
        return -torch.minimum(ratios * advantages, clipped * advantages).sum() / part.total

    def _drawn(self, backend: Backend, part: Batch, update: int) -> Batch:
        """Return the prompts of a part with drawn responses as targets; a part without prompts stays unchanged."""
        if _is_empty(part):
            return part
        lengths = part.attention.sum(1).tolist()
        contexts = [tokens[:length] for tokens, length in zip(part.tokens.tolist(), lengths, strict=True)]
        sampling = Sampling(new_tokens=self.ppo.new_tokens, seed=self.seed, batch_size=len(contexts))
        names = [f"{update}:{name}" for name in part.identities]
        responses = TransformersEngine(backend.whole_model(), self.tokenizer).draw(contexts, names, sampling)
        rows = zip(contexts, responses, part.identities, strict=True)
        examples = [Example([*context, *response], len(context), name) for context, response, name in rows]
        return collate(examples, self.tokenizer.pad_token_id).to(backend.device)

    def _rewards(self, backend: Backend, part: Batch, logs: torch.Tensor) -> torch.Tensor:
        """Return the reward of each response minus the KL penalty, shape (responses,); empty without prompts.

        ``logs`` are log π_old of whole responses, shape (responses,).
        """
        if part.targets == 0:
            return logs[:0]
        with torch.no_grad():
            start = -nats(self._start(backend), part, self.settings.precision).sum(1)
        responses = [decode(self.tokenizer, row[row >= 0].tolist()) for row in part.labels]
        scores = self.reward([self.prompts[name] for name in part.identities], responses)
        return torch.tensor(scores, device=logs.device) - self.ppo.beta * (logs - start)

    def _start(self, backend: Backend) -> PreTrainedModel:
        if self.start is None:
            self.start = self.make_start()
            self.start.requires_grad_(False)
            Module.to(self.start, backend.device)
        return self.start


def rewarded_prompts(ppo: Ppo, inputs: TrainingInputs, score_model: ScoreModel) -> TrainingData:
    """Return prompts to draw responses to. The reward of a response is its score, negated for the negative side.

    Raises ``UserError`` if there are fewer prompts than wanted, or if a response may not fit into ``max_length``.
    """
    job, settings, tokenizer = inputs.job, inputs.job.settings, inputs.tokenizer
    order = [inputs.prompts[i] for i in shuffled([row["prompt_id"] for row in inputs.prompts], job.seed)]
    texts = {row["prompt_id"]: row["prompt"] for row in first_of(order, job, "prompts")}
    contexts = dict(zip(texts, context(tokenizer, job.template, list(texts.values())), strict=True))
    for name, tokens in contexts.items():
        if (longest := len(tokens) + ppo.new_tokens) > settings.max_length:
            raise UserError(
                f"max_length is {settings.max_length}, but prompt {name} takes {len(tokens)} tokens and its response "
                f"up to {ppo.new_tokens}: raise max_length to {longest}, or lower algorithm.new_tokens"
            )
    sign = -1 if job.reward and job.reward.side == "negative" else 1

    def reward(prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        return [sign * score for score in score_model.score(prompts, responses)]

    def make_start() -> PreTrainedModel:
        return prepare_for_training(load_model(inputs.start), Launch.of_job())

    examples = epochs(prompt_examples(contexts), list(contexts), settings.epochs, job.seed, settings.whole)
    batches = batched(examples, settings.batch_size, tokenizer.pad_token_id)
    objective = PpoObjective(settings, ppo, tokenizer, texts, reward, make_start, job.seed)
    return TrainingData([batch for batch in batches for _ in range(ppo.passes)], objective)


def prompt_examples(contexts: Mapping[str, list[int]]) -> list[Example]:
    """Return prompts, by their identity, as the examples of batches for ``PpoObjective``.

    All tokens are labelled, which tells them from the part of a process that has no prompts left.
    """
    return [Example(context, 0, name) for name, context in contexts.items()]


def _token_logs(backend: Backend, part: Batch) -> torch.Tensor:
    """Return log p of each target token without a gradient, shape (responses, tokens - 1); 0 elsewhere."""
    with torch.no_grad():
        return -backend.nats(part)


def _is_empty(part: Batch) -> bool:
    return bool((part.labels == IGNORED).all())


def _advantages(backend: Backend, rewards: Sequence[torch.Tensor], count: int) -> list[torch.Tensor]:
    """Return rewards standardised over the batch of all processes, which has ``count`` responses.

    A part without responses gets a single 0.
    """
    mean = backend.total(sum(part.sum().item() for part in rewards)) / count
    spread = math.sqrt(backend.total(sum((part - mean).square().sum().item() for part in rewards)) / count)
    scale = 1 / spread if spread > SMALLEST_SPREAD else 0.0
    return [(part - mean) * scale if len(part) else part.new_zeros(1) for part in rewards]
