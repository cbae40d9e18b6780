"""Training data of a fine-tuning job: what its algorithm gets, and the batches and the objective that it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedTokenizerFast

from elasticity.core.errors import UserError
from elasticity.data.examples import Batch, Example, batched, epochs, response_examples, shuffled, training_examples
from elasticity.training.jobs import FineTuneJob
from elasticity.training.objectives import CodeLength, Objective
from elasticity.training.schemas import AMOUNTS

Row = Mapping[str, Any]
"""A row of a table."""


Item = TypeVar("Item")


@dataclass(frozen=True)
class TrainingInputs:
    """What the algorithm of a fine-tuning job makes its training data of."""

    job: FineTuneJob
    tokenizer: PreTrainedTokenizerFast
    start: Path
    """The folder of the model at the start of the stage."""

    examples: Sequence[Sequence[Row]]
    """Tables of schema ``EXAMPLES`` or ``SLICE_RESPONSES``; the side to prefer comes first if sides are compared."""

    prompts: Sequence[Row] = ()
    """Rows of schema ``PROMPTS``, if the algorithm draws responses."""

    score_model_files: Sequence[Path] = ()
    """The files of the score model, if the algorithm draws responses."""


@dataclass(frozen=True)
class TrainingData:
    """A batch for each update, and the objective that is minimised on it."""

    batches: list[Batch]
    objective: Objective


def responses(job: FineTuneJob, tokenizer: PreTrainedTokenizerFast, parts: Sequence[Sequence[Row]]) -> TrainingData:
    """Return the data of supervised fine-tuning on rows of schema ``EXAMPLES`` or ``SLICE_RESPONSES``, all epochs.

    Raises ``UserError`` if there are fewer rows than wanted.
    """
    examples = responses_once(job, tokenizer, parts)
    settings, names = job.settings, [example.identity for example in examples]
    repeated = epochs(examples, names, settings.epochs, job.seed, settings.whole)
    return TrainingData(batched(repeated, settings.batch_size, tokenizer.pad_token_id), CodeLength())


def responses_once(
    job: FineTuneJob, tokenizer: PreTrainedTokenizerFast, parts: Sequence[Sequence[Row]]
) -> list[Example]:
    """Return the examples of the first epoch of ``responses``.

    The parts follow one another (they are those of the slices), and each is in the order of the seed.
    """
    identity = "id" if job.responses_of_slice is None else "prompt_id"
    rows = [part[i] for part in parts for i in shuffled([row[identity] for row in part], job.seed)]
    rows = first_of(rows[job.skip :], job, f"examples{f' behind the first {job.skip}' if job.skip else ''}")
    if job.responses_of_slice is None:
        examples = training_examples(rows, tokenizer, job.template, job.settings.max_length, job.answers)
    else:
        examples = response_examples((dict(row) for row in rows), tokenizer, job.settings.max_length)
    return [replace(example, identity=row[identity]) for example, row in zip(examples, rows, strict=True)]


def first_of(found: list[Item], job: FineTuneJob, what: str) -> list[Item]:
    """Return as many of the items as the largest size of the job.

    Raises ``UserError`` if there are fewer; ``what`` names them in the message.
    """
    wanted = job.sizes[-1]
    if len(found) < wanted:
        raise UserError(
            f"{wanted} {what} are needed, but the data give {len(found)}: lower the sizes, or enlarge the splits that "
            "they are taken from"
        )
    return found[:wanted]


def mixed(corpora: Sequence[Sequence[Example]], seed: int) -> list[Example]:
    """Return every example of every corpus once, in an order that depends on the seed."""
    together = [
        replace(example, identity=f"{number}: {example.identity}")
        for number, corpus in enumerate(corpora, start=1)
        for example in corpus
    ]
    return [together[i] for i in shuffled([example.identity for example in together], seed)]


def amounts(corpora: Sequence[Sequence[Example]]) -> dict[str, int]:
    """Return the number of target tokens of D1, D2 and D3, under the names of schema ``AMOUNTS``."""
    names = AMOUNTS.names[-len(corpora) :]
    return {name: sum(example.targets for example in corpus) for name, corpus in zip(names, corpora, strict=True)}
