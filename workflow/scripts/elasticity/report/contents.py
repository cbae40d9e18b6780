"""The items of a report: figures, tables and records in chapters, each with its files and its caption."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from elasticity.analysis.table import find_table
from elasticity.config.base import Section
from elasticity.core.digests import digest
from elasticity.core.errors import UserError
from elasticity.plots.figure import FIGURES

INTRODUCTION = """
**Study {{ study }}.** A language model is fine-tuned on one side of a task (alignment stage, P examples) and then on
the opposite side (inverse stage, N examples). If models are *elastic*, those with a larger alignment stage fall back
faster and further (*rebound*), and going back to an earlier state is easier than going on (*resistance*). The paper's
theory states this for compression rates: *Compression* measures them, and *Theory* evaluates its theorem without a
model. *Measures* has one number per seed for each of these statements, and *Verdicts* says which of them hold. The
chapters hold figures and tables, and the data and models that they were made from.

Intervals are 95 % t intervals over training seeds: the seed is the unit of replication. With few seeds they are wide;
a difference that lies within them is not a finding.
"""
"""The text above the chapters: reStructuredText and a jinja template that quotes the name of the study."""


CHAPTERS = (
    "Verdicts",
    "Rebound",
    "Measures",
    "Resistance",
    "Compression",
    "Theory",
    "Text statistics",
    "Calibration",
    "Cards",
    "Data and models",
)
"""The chapters in the order of reading; other chapters that a figure or table names come last."""


LEADING = ("the rebound in bits",)
"""The labels of figures that come first below their subject."""


Kind = Literal["figure", "table", "record"]
"""The kinds of report items, in the order in which a page shows them."""


@dataclass(frozen=True)
class Heading:
    """Where an item is shown and what is said of it; subject, label and caption may contain wildcards."""

    chapter: str
    subject: str
    label: str
    caption: str


RECORDS: Mapping[str, Heading] = {
    "score-model": Heading(
        chapter="Data and models",
        subject="{task}",
        label="score model",
        caption="""
How good the score model is that scores the responses, measured on labelled texts that it was not trained on. A model
that is trained here (logistic regression on one to three successive words, weighted by naive Bayes) is tested on
snippets as long as the responses, of other texts and to other prompts: accuracy on such short texts is far from 1, and
the mean score is a noisy and compressed view of what the models write. It is centred: ``shift`` was added to all
log-odds so that half of the snippets of further texts are classified positive, and ``share_positive`` is the share
among the test texts. In these numbers both sides weigh the same, and so do all texts of a side. A model that was
trained elsewhere is tested on whole texts of the task; its gold pair stands beside it.
""",
    ),
    "examples": Heading(
        chapter="Data and models",
        subject="{task}",
        label="examples",
        caption="""
What became of every row of the data. ``rows`` were read. Those that are passed over gave no example, for the reasons
named: a label of neither side, or a text that is null. The others were ``read`` as examples; ``empty`` ones,
``duplicates`` and texts ``on_both_sides`` were left out, the others ``kept``, so many of each side. Prompts that are
``too_long`` are in no split.
""",
    ),
    "card": Heading(
        chapter="Cards",
        subject="{base}",
        label="card",
        caption="""
The elasticity card of {{ base }}: everything that this study measured of the model, in one file whose form is published
as ``workflow/schemas/card.schema.json``, so that models can be compared across studies and labs (``make compare``).
What was not measured is empty.
""",
    ),
    "provenance": Heading(
        chapter="Data and models",
        subject="whole study",
        label="provenance",
        caption="""
What made these results: digests of study, data, tables and figures, versions of the packages, hardware, seeds, and the
commit of the code. The resolved study lies beside it as ``study.yaml``.
""",
    ),
}
"""The records of a report: JSON files that are shown as tables of their entries."""


class ItemSpec(Section):
    """An item of a report in a job spec.

    ``name`` is the name of a figure, a table or a record, and ``output`` the output of a table that is shown. ``files``
    holds the shown file first, then other formats of it and files with more details. ``wildcards`` fill heading and
    caption in, and ``numbers`` are quoted by the caption.
    """

    kind: Kind
    name: str
    output: str = "table"
    files: tuple[str, ...]
    wildcards: dict[str, str]
    numbers: dict[str, float] = Field(default_factory=dict)


class ReportJob(Section):
    """Write the page of a study from these items; ``results`` is the folder of its results.

    ``words`` is the digest of their headings and captions: new words make a new page.
    """

    study: str
    results: str
    items: tuple[ItemSpec, ...]
    words: str


@dataclass(frozen=True)
class ReportItem:
    """An item of a report with its heading; ``caption`` is a template, which ``wildcards`` and ``numbers`` fill in."""

    kind: Kind
    chapter: str
    subject: str
    label: str
    caption: str
    files: tuple[str, ...]
    wildcards: Mapping[str, str]
    numbers: Mapping[str, float]

    @property
    def file(self) -> str:
        """The file that is shown."""
        return self.files[0]

    @property
    def title(self) -> str:
        """The subject and the label."""
        return f"{self.subject}: {self.label}"


def table_items(name: str, results: str, **wildcards: str) -> tuple[ItemSpec, ...]:
    """The items of a table, one for each output that the report shows; wildcards are ``experiment`` or ``task``."""
    table = find_table(name)
    paths = table.output_paths(results, **wildcards)
    return tuple(
        ItemSpec(
            kind="table",
            name=name,
            output=output,
            files=(paths[output], *(paths[other] for other in shown.beside)),
            wildcards=wildcards,
        )
        for output, shown in table.shown.items()
    )


def figure_item(name: str, results: str, numbers: Mapping[str, float] | None = None, **wildcards: str) -> ItemSpec:
    """The item of a figure; wildcards are ``experiment`` and ``base``, as far as the figure has them."""
    files = FIGURES[name].figure_paths(results, wildcards.get("experiment"), wildcards.get("base", ""))
    return ItemSpec(kind="figure", name=name, files=tuple(files), wildcards=wildcards, numbers=dict(numbers or {}))


def record_item(name: str, files: Iterable[str], **wildcards: str) -> ItemSpec:
    """The item of a record; wildcards are ``task`` of a score model and ``base`` of a card."""
    return ItemSpec(kind="record", name=name, files=tuple(files), wildcards=wildcards)


def words_digest(specs: Iterable[ItemSpec]) -> str:
    """The digest of the headings and captions of items, which are no part of code digests."""
    return digest(
        [[heading.chapter, heading.subject, heading.label, heading.caption] for heading in map(_heading, specs)]
    )


def report_items(specs: Iterable[ItemSpec]) -> list[ReportItem]:
    """All items by chapter and subject (an experiment, a task, a base model), figures before tables before records.

    The subjects of a chapter are in the order in which they first appear, which is that of the study.
    """
    found = [_item(spec) for spec in specs]
    chapters = [*CHAPTERS, *(item.chapter for item in found)]
    subjects = [(item.chapter, item.subject) for item in found]
    kinds = ("figure", "table", "record")
    return sorted(
        found,
        key=lambda it: (
            chapters.index(it.chapter),
            subjects.index((it.chapter, it.subject)),
            kinds.index(it.kind),
            it.label not in LEADING,
        ),
    )


def _item(spec: ItemSpec) -> ReportItem:
    heading = _heading(spec)
    return ReportItem(
        kind=spec.kind,
        chapter=heading.chapter,
        subject=heading.subject.format(**spec.wildcards),
        label=heading.label.format(**spec.wildcards),
        caption=heading.caption,
        files=spec.files,
        wildcards=spec.wildcards,
        numbers=spec.numbers,
    )


def _heading(spec: ItemSpec) -> Heading:
    match spec.kind:
        case "figure":
            figure = FIGURES[spec.name]
            return Heading(figure.chapter, figure.subject, figure.label, figure.caption)
        case "table":
            table = find_table(spec.name)
            shown = table.shown[spec.output]
            return Heading(table.chapter, table.subject, shown.label, shown.caption)
        case "record":
            if spec.name not in RECORDS:
                raise UserError(f"report: there is no record {spec.name!r}; available: {', '.join(RECORDS)}")
            return RECORDS[spec.name]
