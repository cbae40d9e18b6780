"""What a report shows: figures, tables and records, in chapters, each with its files and its caption."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from elasticity.config.base import Section

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
    "Materials",
)
"""In the order of reading; others that a rule names come last."""


FORMATS = {"figure": (".svg", ".pdf", ".png"), "table": (".html", ".csv"), "record": (".json", ".html")}
"""How files are shown, by their suffixes; the first one is flagged."""


KINDS = {formats[0]: kind for kind, formats in FORMATS.items()}


class Flag(Section):
    """One output of a rule that is shown. File and labels hold wildcards in braces; ``caption`` is a file's name."""

    file: str
    chapter: str
    caption: str
    labels: dict[str, str]


class Showing(Section):
    """What a rule shows: its flags, all files that it writes, the wildcards of its jobs, and numbers for captions."""

    flags: tuple[Flag, ...]
    files: tuple[str, ...]
    jobs: tuple[dict[str, str], ...]
    numbers: dict[str, float]


@dataclass(frozen=True)
class ReportItem:
    """One thing to show. ``files`` are in all formats, and begin with the one that is flagged."""

    chapter: str
    subject: str
    name: str
    caption: str
    files: tuple[str, ...]
    wildcards: dict[str, str]
    numbers: dict[str, Any]

    @property
    def file(self) -> str:
        """The one that is flagged."""
        return self.files[0]

    @property
    def kind(self) -> str:
        """A figure, a table, or a record."""
        return KINDS[PurePosixPath(self.file).suffix]

    @property
    def data(self) -> str:
        """The numbers of a table as CSV, which lie beside it; of anything else, the file itself."""
        return next((file for file in self.files if file.endswith(".csv")), self.file)

    @property
    def title(self) -> str:
        """What it is, and of what."""
        return f"{self.subject}: {self.name}" if self.name else self.subject


def items(showings: Iterable[Showing]) -> list[ReportItem]:
    """Everything to show, by chapter and subject (an experiment, a task), figures before tables.

    Subjects of a chapter come in the order in which they first appear, which is the study's.
    """
    found = list(_items(showings))
    chapters = [*CHAPTERS, *(item.chapter for item in found)]
    subjects = [(item.chapter, item.subject) for item in found]
    kinds = list(KINDS.values())
    return sorted(
        found,
        key=lambda it: (chapters.index(it.chapter), subjects.index((it.chapter, it.subject)), kinds.index(it.kind)),
    )


def _items(showings: Iterable[Showing]) -> Iterator[ReportItem]:
    for showing in showings:
        for wildcards in showing.jobs:
            files = [file.format(**wildcards) for file in showing.files]
            for flag in showing.flags:
                subject, *rest = (label.format(**wildcards) for label in flag.labels.values())
                file = flag.file.format(**wildcards)
                yield ReportItem(
                    chapter=flag.chapter.strip(),  # Snakemake's report sorts by name, and a space makes one the first
                    subject=subject,
                    name=", ".join(rest),
                    caption=flag.caption,
                    files=(file, *_formats(file, files)),
                    wildcards=wildcards,
                    numbers=showing.numbers,
                )


def _formats(file: str, files: Sequence[str]) -> list[str]:
    """The other files of the same name and kind: other formats, then what lies in another folder (one row a seed)."""
    path = PurePosixPath(file)
    formats = FORMATS[KINDS[path.suffix]]
    alike = [other for other in files if PurePosixPath(other).stem == path.stem and other.endswith(formats)]
    found = [other for other in alike if other != file]
    return sorted(found, key=lambda other: PurePosixPath(other).parent != path.parent)
