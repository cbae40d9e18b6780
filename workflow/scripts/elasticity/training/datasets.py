"""What a fine-tuning job trains on: batches and an objective, by the algorithm that the study names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from elasticity.config.training import Dpo, Kto, Ppo, SimPo
from elasticity.core.errors import UserError
from elasticity.data import pairs
from elasticity.data.chat_templates import context
from elasticity.data.examples import Batch, Example, batched, epochs, response_examples, shuffled, training_examples
from elasticity.evaluation.scoring import ScoreModel
from elasticity.models.loading import load_model, prepare_for_training
from elasticity.runtime.launch import Launch
from elasticity.training.jobs import FineTuneJob
from elasticity.training.objectives import CodeLength, Objective
from elasticity.training.ppo import PpoObjective, asked
from elasticity.training.preference import DpoObjective, KtoObjective, SimPoObjective
from elasticity.training.schemas import AMOUNTS

Row = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingData:
    """A batch an update, and what is minimised on it."""

    batches: list[Batch]
    objective: Objective


def responses(job: FineTuneJob, tokenizer: PreTrainedTokenizerFast, parts: Sequence[Sequence[Row]]) -> TrainingData:
    """Supervised fine-tuning on the rows of schema ``EXAMPLES`` or ``SLICE_RESPONSES``, as often as there are epochs.

    Raises ``UserError`` if there are fewer rows than examples wanted.
    """
    examples = responses_once(job, tokenizer, parts)
    repeated = epochs(examples, [example.identity for example in examples], job.settings.epochs, job.seed)
    return TrainingData(batched(repeated, job.settings.batch_size, tokenizer.pad_token_id), CodeLength())


def responses_once(
    job: FineTuneJob, tokenizer: PreTrainedTokenizerFast, parts: Sequence[Sequence[Row]]
) -> list[Example]:
    """The examples of the first epoch of ``responses``.

    Each part is in an order of its own: the slices' parts follow one another.
    """
    identity = "id" if job.responses_of_slice is None else "prompt_id"
    rows = [part[i] for part in parts for i in shuffled([row[identity] for row in part], job.seed)]
    rows = _enough(rows[job.skip :], job, f"examples{f' behind the first {job.skip}' if job.skip else ''}")
    if job.responses_of_slice is None:
        examples = training_examples(rows, tokenizer, job.template, job.settings.max_length)
    else:
        examples = response_examples((dict(row) for row in rows), tokenizer, job.settings.max_length)
    return [replace(example, identity=row[identity]) for example, row in zip(examples, rows, strict=True)]


def preferences(
    job: FineTuneJob, tokenizer: PreTrainedTokenizerFast, chosen: Sequence[Row], rejected: Sequence[Row]
) -> TrainingData:
    """Pairs of rows of schema ``EXAMPLES``, of this side and of the other: ``N`` of them for a size N.

    Raises ``UserError`` if there are fewer pairs than wanted.
    """
    settings, algorithm = job.settings, job.settings.algorithm
    if isinstance(algorithm, Kto):
        found = _enough(pairs.any_prompt(chosen, rejected, job.seed), job, "examples of each side")
    else:
        found = _enough(pairs.same_prompt(chosen, rejected, job.seed), job, "pairs of responses to the same prompt")
    repeated = epochs(found, [row["id"] for row, _ in found], settings.epochs, job.seed)
    rows = [row for pair in repeated for row in pair]
    size = 2 * settings.batch_size

    def batches(rows: Sequence[Row]) -> list[Batch]:
        examples = training_examples(rows, tokenizer, job.template, settings.max_length)
        named = [replace(example, identity=row["id"]) for example, row in zip(examples, rows, strict=True)]
        return batched(named, size, tokenizer.pad_token_id)

    objective: Objective
    match algorithm:
        case Dpo():
            objective = DpoObjective(algorithm)
        case SimPo():
            objective = SimPoObjective(algorithm)
        case Kto():
            others = [pairs.mismatched(rows[first : first + size]) for first in range(0, len(rows), size)]
            objective = KtoObjective(algorithm, batches([row for batch in others for row in batch]))
        case _:
            raise ValueError(f"{algorithm.kind} takes no pairs")
    return TrainingData(batches(rows), objective)


def rewards(
    job: FineTuneJob,
    ppo: Ppo,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[Row],
    score_model: ScoreModel,
    start: Path,
) -> TrainingData:
    """Prompts of schema ``PROMPTS`` for responses that a score model score models, its sign turned for a negative side.

    Raises ``UserError`` if there are fewer prompts than wanted, or if a response may not fit into ``max_length``.
    """
    settings = job.settings
    order = [prompts[i] for i in shuffled([row["prompt_id"] for row in prompts], job.seed)]
    rows = _enough(order, job, "prompts")
    texts = {row["prompt_id"]: row["prompt"] for row in rows}
    contexts = dict(zip(texts, context(tokenizer, job.template, list(texts.values())), strict=True))
    for name, tokens in contexts.items():
        if (longest := len(tokens) + ppo.new_tokens) > settings.max_length:
            raise UserError(
                f"max_length is {settings.max_length}, but prompt {name} takes {len(tokens)} tokens and its response up "
                f"to {ppo.new_tokens}: raise max_length to {longest}, or lower algorithm.new_tokens"
            )
    sign = -1 if job.reward and job.reward.side == "negative" else 1

    def reward(prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        return [sign * score for score in score_model.score(prompts, responses)]

    def make_start() -> Any:
        return prepare_for_training(load_model(start), Launch.of_job())

    examples: list[Example] = epochs(asked(contexts), list(contexts), settings.epochs, job.seed)
    batches = batched(examples, settings.batch_size, tokenizer.pad_token_id)
    objective = PpoObjective(settings, ppo, tokenizer, texts, reward, make_start, job.seed)
    return TrainingData([batch for batch in batches for _ in range(ppo.passes)], objective)


def _enough(found: list[Any], job: FineTuneJob, what: str) -> list[Any]:
    """The first so many."""
    wanted = job.sizes[-1]
    if len(found) < wanted:
        raise UserError(
            f"{wanted} {what} are needed, but the data give {len(found)}: lower the sizes, or enlarge the splits that "
            "they are taken from"
        )
    return found[:wanted]


def mixed(corpora: Sequence[Sequence[Example]], seed: int) -> list[Example]:
    """Every example of every corpus, each once, in an order that depends on the seed."""
    together = [
        replace(example, identity=f"{number}: {example.identity}")
        for number, corpus in enumerate(corpora, start=1)
        for example in corpus
    ]
    return [together[i] for i in shuffled([example.identity for example in together], seed)]


def amounts(corpora: Sequence[Sequence[Example]]) -> dict[str, int]:
    """Target tokens of D1, D2, D3, under the names of schema ``AMOUNTS``."""
    names = AMOUNTS.names[-len(corpora) :]
    return {
        name: sum(len(example.tokens) - example.response_start for example in corpus)
        for name, corpus in zip(names, corpora, strict=True)
    }
