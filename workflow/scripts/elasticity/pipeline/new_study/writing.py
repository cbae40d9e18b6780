"""Looks at models and data, and writes a study that measures the elasticity of the models on them."""

import os
import re
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import get_args

import yaml

from elasticity.config.base import Name
from elasticity.config.data import Fields, Questions
from elasticity.config.formats import BOTH
from elasticity.config.hardware import Hardware
from elasticity.config.loading import read_study
from elasticity.config.models import ImportedModel
from elasticity.config.splits import BYTES_PER_TOKEN
from elasticity.config.study import Study
from elasticity.config.templates import Template
from elasticity.core.digests import SCRIPTS
from elasticity.core.errors import UserError
from elasticity.data.cleaning import clean
from elasticity.data.inspection import inspect
from elasticity.data.sources import examples
from elasticity.data.splits import Rows
from elasticity.data.tally import Tally
from elasticity.models.shapes import Shape, shape_of
from elasticity.pipeline.new_study.named import Data, named_data, named_model, short_name
from elasticity.pipeline.new_study.sizes import BATCH, possible
from elasticity.pipeline.new_study.study_file import Design, study_text
from elasticity.pipeline.planning.budget import core_hours
from elasticity.pipeline.planning.plan import plan
from elasticity.resources.estimates import training_memory_mb
from elasticity.runtime.launch import Geometry
from elasticity.runtime.progress import duration

EXAMPLES_READ = 100_000
"""Examples that are read to find out what the data hold."""


TOKENIZED = 5000
"""Examples of which the tokens are counted."""


HOURS = 1.0
"""Hours on this machine that a study should take; it takes more if even the smallest one does."""


RESPONSE_TOKENS = (16, 64)
"""Least and most tokens of a response that are trained on."""


PROMPT_TOKENS = 256
"""Most tokens of a prompt."""


RATES = ((20e6, 5e-4), (1e9, 1e-4), (float("inf"), 2e-5))
"""Learning rates of models with up to so many parameters: those of the studies that come with the project."""


def write_study(
    name: str, models: Sequence[str], data: str, here: Path, fields: str | None = None, split: str | None = None
) -> str:
    """Write ``studies/NAME.yaml``; returns what was understood, the plan, and the next command.

    ``models`` and ``data`` are names as in ``named_model`` and ``named_data``, relative to the folder ``here``.
    ``fields`` is the section `fields` of a source as YAML, if the user says what the fields mean, and ``split`` the
    split of the data, if the user chooses it.

    Raises ``UserError`` if the study exists, if a model or the data cannot be read, or if the data hold too few
    examples or one side only.
    """
    file = Path("studies", f"{name}.yaml")
    _check_name(name, file)
    found = _models(models, here)
    shapes = {key: shape_of(model) for key, model in found.items()}
    named, chosen = named_data(data, here, split)
    source, understood = _described(named, fields)
    reasons = (*chosen, *understood)
    rows, counts = _rows(source, data, reasons)
    design, shown = _design(name, found, min(it.parameters for it in shapes.values()), source, rows, (*reasons, counts))
    text, study = _fitting(design, rows, file)
    file.parent.mkdir(exist_ok=True)
    with file.open("x", encoding="utf-8") as opened:
        opened.write(text)
    described = [f"  {key}: {model.kind}, {_size(shapes[key])}" for key, model in found.items()]
    lines = ["Models", *described, "", f"Data {data}", *(f"  {it}" for it in design.remarks)]
    lines += [f"  {line}" for line in shown]
    lines += ["", f"Wrote {file}: correct there what is wrong, and look at it again with: {_command('plan', file)}", ""]
    return "\n".join([*lines, plan(study), "", *_next(design, study, shapes, file)])


def _check_name(name: str, file: Path) -> None:
    if not re.fullmatch(get_args(Name)[1].pattern, name):
        raise UserError(f"{name!r} cannot be the name of a study: use letters, digits, dots and hyphens only")
    for taken in (file, Path("results", name)):
        if taken.exists():
            raise UserError(f"{taken} exists and is not overwritten: choose another name, or remove it")


def _models(names: Sequence[str], here: Path) -> dict[str, ImportedModel]:
    """The models by short names, which get numbers where they are equal."""
    found: dict[str, ImportedModel] = {}
    for name in names:
        model = named_model(name, here)
        short = short_name(model)
        number = sum(re.fullmatch(re.escape(short) + r"(-\d+)?", taken) is not None for taken in found)
        found[f"{short}-{number + 1}" if number else short] = model
    return found


def _described(source: Data, fields: str | None) -> tuple[Data, tuple[str, ...]]:
    """The source with its format or the meaning of its fields, and how that was found out."""
    if fields is not None:
        try:
            given = Fields.model_validate(yaml.safe_load(fields))
        except (yaml.YAMLError, ValueError) as error:
            words = " ".join(str(error).split())
            raise UserError(f"--fields {fields!r}: {words}; see `fields` in docs/configuration.md") from None
        return source.model_copy(update={"fields": given}), ("fields: as given",)
    seen = inspect(source)
    if seen.format is None and seen.fields is None:
        raise UserError(f"{'; '.join(seen.reasons)}. {_SAY}")
    how = {"format": seen.format} if seen.format else {"fields": seen.fields}
    return source.model_copy(update=how), seen.reasons


_SAY = (
    "Say what the fields mean, for instance --fields '{prompt: question, response: answer, label: rating, "
    "positive: [4, 5], negative: [1, 2]}' (texts without prompts leave prompt out)"
)


def _rows(source: Data, data: str, reasons: Sequence[str]) -> tuple[Rows, str]:
    """The examples without duplicates, as rows of schema ``EXAMPLES``, and how many there are of each side."""
    why = "; ".join(reasons)
    if not source.has_responses:
        raise UserError(f"--data {data}: these data have prompts without responses ({why}). {_SAY}")
    if source.sides != BOTH:
        raise UserError(
            f"--data {data}: two sides are needed, but all examples would be {source.sides[0]} ({why}). {_SAY}; or "
            "oppose two sources in a study of your own, with kind: sides (docs/data.md)"
        )
    tally = Tally()
    with tempfile.TemporaryFile() as spool:
        found, counts = clean(islice(examples(source, tally), EXAMPLES_READ), spool)
        rows = list(found)
    sides = Counter(row["side"] for row in rows)
    counted = ", ".join(
        f"{what.replace('_', ' ')}: {count}" for what, count in (counts | tally.passed_over).items() if count
    )
    if missing := [side for side in BOTH if not sides[side]]:
        raise UserError(f"--data {data}: there are no {' and no '.join(missing)} examples ({why}; {counted}). {_SAY}")
    first = f"the first {EXAMPLES_READ:,} examples; " if counts["read"] == EXAMPLES_READ else ""
    return rows, f"{first}{counted}; positive: {sides['positive']}, negative: {sides['negative']}"


def _design(
    name: str, models: dict[str, ImportedModel], parameters: int, source: Data, rows: Rows, remarks: tuple[str, ...]
) -> tuple[Design, list[str]]:
    """The design of the study, and an example of each side with what of it has a loss."""
    from elasticity.pipeline.planning import preview  # imports torch, which nothing else in this package needs

    tokenizers = [preview.source_tokenizer(model) for model in models.values()]
    chat = source.has_prompts and all(tokenizer.chat_template for tokenizer in tokenizers)
    template: Template = "chat" if chat else "plain"
    prompts = None
    if source.has_prompts:
        prompts = Questions(kind="questions", max_tokens=_longest_prompt(rows))
        rows = [row for row in rows if len(row["prompt"].encode()) <= BYTES_PER_TOKEN * prompts.max_tokens]
    counted = [count for it in tokenizers for count in preview.lengths(rows[:TOKENIZED], it, template)]
    before, responses = (sorted(column) for column in zip(*counted, strict=True))
    least, most = RESPONSE_TOKENS
    response = min(most, max(least, _in_sixteens(responses[len(responses) * 3 // 4])))
    longest = max(1, before[-1], prompts.max_tokens + 1 if prompts else 0) + response
    rate = next(rate for limit, rate in RATES if parameters <= limit)
    design = Design(name, models, source, prompts, template, longest, response, rate, remarks)
    firsts = {row["side"]: row for row in reversed(rows)}
    shown = [
        line
        for side in BOTH
        for line in (f"{side} example", *preview.loss_mask(firsts[side], tokenizers[0], template, longest).splitlines())
    ]
    return design, shown


def _longest_prompt(rows: Rows) -> int:
    """The largest length of a prompt: nine of ten are shorter, if they have few bytes for each token."""
    lengths = sorted(len(row["prompt"].encode()) for row in rows)
    return min(PROMPT_TOKENS, _in_sixteens(lengths[len(lengths) * 9 // 10] / BYTES_PER_TOKEN))


def _in_sixteens(number: float) -> int:
    return 16 * max(1, -(-int(number) // 16))


def _fitting(design: Design, rows: Rows, file: Path) -> tuple[str, Study]:
    """The largest study that the data allow and that takes no longer than ``HOURS``; if all do, the smallest one."""
    for sizes in possible(rows, design.prompts):
        text = study_text(design, sizes)
        study = read_study(yaml.safe_load(text), str(file))
        if _hours(study) <= HOURS:
            break
    return text, study


def _hours(study: Study) -> float:
    return core_hours(study) / (os.cpu_count() or 1)


def _size(shape: Shape) -> str:
    return f"{shape.parameters / 1e6:,.1f}M parameters, {shape.layers} layers of width {shape.hidden_size}"


def _next(design: Design, study: Study, shapes: dict[str, Shape], file: Path) -> list[str]:
    """What the study will take here, and what to do next."""
    hours, cores, splits = _hours(study), os.cpu_count() or 1, study.tasks["data"].splits
    one, largest = Geometry(1, 1, None, BATCH, False, "none"), max(shapes.values(), key=lambda it: it.parameters)
    needed = training_memory_mb(largest, design.max_length, one, Hardware()) / 1000
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    lines = [
        f"On this machine ({cores} cores) training and measuring take about {duration(3600 * hours)}, and a job up to "
        f"{needed:.1f} GB. Sizes were chosen by what the data hold ({splits.positive} positive and {splits.negative} "
        "negative examples are trained on) and by an hour of this machine."
    ]
    if hours > HOURS or needed > memory:
        lines.append(
            f"That is much for this machine, which has {memory:.0f} GB: use a GPU (README.md, One GPU), a cluster "
            "(docs/cluster.md) or a smaller model. The plan has the GPU hours."
        )
    cards = ", ".join(f"results/{design.name}/cards/{base}.html" for base in design.models)
    return [*lines, f"Next: {_command('run', file)}", f"Then read {cards} and results/{design.name}/report.html."]


def _command(target: str, file: Path) -> str:
    """The command that plans or runs the study, whatever folder holds the results."""
    project, here = SCRIPTS.parents[1], Path.cwd()
    if here == project:
        return f"make {target} STUDY={file}"
    where = ["--directory", str(here)]
    if target == "plan":
        return shlex.join(["elasticity", "plan", str(here / file), *where])
    snakemake = [str(Path(sys.executable).with_name("snakemake")), "--snakefile", str(project / "Snakefile")]
    return shlex.join([*snakemake, *where, "--configfile", str(here / file), "--cores", "all"])
