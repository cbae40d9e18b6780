"""The tokens of a training example, and which of them have a loss. Needs no trained model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from elasticity.config.models import HubModel, ImportedModel, Pretrained, TunedModel
from elasticity.config.splits import layout
from elasticity.config.study import Study
from elasticity.config.templates import Template
from elasticity.core.errors import UserError
from elasticity.core.hub import snapshot
from elasticity.core.tables import rows_in_batches
from elasticity.data.chat_templates import context
from elasticity.data.examples import IGNORED, Example, collate, training_examples
from elasticity.data.schemas import EXAMPLES
from elasticity.models.importing import load_imported_tokenizer
from elasticity.models.sources import source_of
from elasticity.models.tokenizer import encode, load_tokenizer

Row = dict[str, Any]
"""A row of schema ``EXAMPLES``."""


TOKENIZER_FILES = ("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "*.jinja")


def shown_example(study: Study, file: Path, task: str, base: str) -> str:
    """The first training example of a task in the task's template, as text with a table of a base model's tokens.

    Raises ``UserError`` if the study has no such task or model, or if their files do not exist yet.
    """
    for name, known, what in ((task, study.tasks, "task"), (base, study.bases, "model")):
        if name not in known:
            raise UserError(f"{file} has no {what} {name!r}; it has: {', '.join(sorted(known))}")
    results = f"results/{study.name}"
    examples = Path(_needed(file, f"{results}/{task}/examples.parquet"))
    settings, longest = study.tasks[task], _max_length(study, task)
    template, (take, *_) = settings.template, layout(settings.splits, settings.prompts).values()
    row = next(
        row
        for row in rows_in_batches(examples, EXAMPLES)
        if row["response"] and take.takes_prompt(len(row["prompt"].encode()))
    )
    tokenizer = _tokenizer(study, file, study.origin(base))
    (example,) = training_examples([row], tokenizer, template, longest, settings.answers)
    return (
        f"task {task}, template {template}, model {base}: {row['side']} example {row['id']} takes "
        f"{len(example.tokens)} tokens of at most {longest}; {example.targets} of them have a loss (marked *)\n\n"
        f"{_table(example, tokenizer)}\n\n{_halves(example, tokenizer)}"
    )


def source_tokenizer(model: ImportedModel) -> PreTrainedTokenizerFast:
    """The tokenizer of a model as its source has it; of a model on the hub it is downloaded, without the weights.

    Raises ``UserError`` if the tokenizer cannot be downloaded or loaded.
    """
    if isinstance(model, HubModel):
        return load_imported_tokenizer(model, snapshot(model.repo, model.revision, TOKENIZER_FILES, "model"))
    return load_imported_tokenizer(model, source_of(model, Path()))


def lengths(rows: Sequence[Row], tokenizer: PreTrainedTokenizerFast, template: Template) -> list[tuple[int, int]]:
    """The tokens of the context and of the response of each row."""
    before = context(tokenizer, template, [row["prompt"] for row in rows])
    responses = encode(tokenizer, [row["response"] for row in rows])
    return [(len(tokens), len(response)) for tokens, response in zip(before, responses, strict=True)]


def loss_mask(row: Row, tokenizer: PreTrainedTokenizerFast, template: Template, longest: int) -> str:
    """Two lines: the text of an example that is context only, and that which has a loss."""
    (example,) = training_examples([row], tokenizer, template, longest)
    return _halves(example, tokenizer)


def _halves(example: Example, tokenizer: PreTrainedTokenizerFast) -> str:
    context, targets = (
        [token for token, learned in zip(example.tokens, _learned(example), strict=True) if learned == wanted]
        for wanted in (False, True)
    )
    return f"without a loss: {tokenizer.decode(context)!r}\nwith a loss:    {tokenizer.decode(targets)!r}"


def _learned(example: Example) -> list[bool]:
    """Whether each token has a loss."""
    marks: list[bool] = (collate([example], 0).labels[0] != IGNORED).tolist()
    return marks


def _max_length(study: Study, task: str) -> int:
    """The largest ``max_length`` of the runs that train on a task; that of the alignment stage if none do."""
    found = [model.tuning for model in study.models.values() if isinstance(model, TunedModel) and model.task == task]
    found += [experiment.slices for experiment in study.resistance.values() if experiment.task == task]
    for rebound in study.rebound.values():
        if rebound.task == task:
            found += [study.recipe(rebound.alignment_recipe), study.recipe(rebound.inverse_recipe)]
    return max((settings.max_length for settings in found), default=study.alignment.max_length)


def _table(example: Example, tokenizer: PreTrainedTokenizerFast) -> str:
    lines = []
    for place, (token, learned) in enumerate(zip(example.tokens, _learned(example), strict=True)):
        lines.append(f"{place:5} {'*' if learned else ' '} {token:7}  {tokenizer.decode([token])!r}")
    return "\n".join(lines)


def _tokenizer(study: Study, file: Path, origin: str) -> PreTrainedTokenizerFast:
    """The tokenizer of a model: the one that the study has made, or that of the model's source."""
    model = study.models[origin]
    assert not isinstance(model, TunedModel), "an origin is tuned from nothing"
    if isinstance(model, Pretrained):
        folder = f"results/{study.name}/{model.task}/tokenizers/{model.vocabulary}"
        return load_tokenizer(Path(_needed(file, f"{folder}/tokenizer.json")).parent)
    folder = f"results/{study.name}/models/{origin}"
    made = Path(folder) / "checkpoints/0"
    if made.is_dir():
        return load_tokenizer(made)
    fetched = Path(folder) / "source"
    if isinstance(model, HubModel) and not fetched.is_dir():
        _needed(file, f"{folder}/metrics.json")
    return load_imported_tokenizer(model, source_of(model, fetched))


def _needed(file: Path, target: str) -> str:
    if not Path(target).exists():
        raise UserError(f"{target} does not exist yet. Run: snakemake --configfile {file} --cores 1 {target}")
    return target
