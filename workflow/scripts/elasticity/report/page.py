"""The report: one page that holds everything, opens with the verdicts, and needs no network and no JavaScript.

What it shows is what rules flag with ``report(...)``, see ``items``: there is no second list of figures. It is a
page of our own, because Snakemake's needs JavaScript and a wide window, opens with a text instead of the verdicts,
cannot be printed, and holds every table as a page of its own. Pictures are embedded as images: inline SVGs of one page
would share the names of their parts.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

import jinja2
import pandas as pd
from docutils.core import publish_parts
from docutils.utils import SystemMessage

from elasticity.analysis.tables import read_csv
from elasticity.config import claims
from elasticity.config.base import Section
from elasticity.core.errors import UserError
from elasticity.report import html, tables
from elasticity.report.contents import ReportItem, Showing, items
from elasticity.report.tables import Shown

POINTS_PER_INCH, PIXELS_PER_INCH = 72, 96


class ReportJob(Section):
    """Write the page of a study; ``showings`` are what its rules show."""

    study: str
    results: str
    showings: tuple[Showing, ...]


@dataclass(frozen=True)
class Picture:
    """A figure as it stands in the page; the width is the one that it was drawn for, in CSS pixels."""

    source: str
    width: int
    alt: str


@dataclass(frozen=True)
class Item:
    """An report item as it stands in the page; ``links`` are names and paths of its files.

    The caption is folded if another report item before has the same one, for another experiment.
    """

    id: str
    title: str
    caption: str
    folded: bool
    links: list[tuple[str, str]]
    picture: Picture | None
    table: Shown | None


@dataclass(frozen=True)
class Verdict:
    """A line of the opening screen. Links lead into the page, or to a file beside it."""

    claim: str
    hypothesis: str
    verdict: str
    effect: str
    interval: str
    p: str
    seeds: str
    reason: str
    links: list[tuple[str, str]]


def page(job: ReportJob, template: Path, provenance: Path) -> str:
    """The page as text; the same results give the same bytes.

    Captions lie beside the template; paths of the job are seen from here, those in the page from the results.
    """
    shown = items(job.showings)
    chapters = [
        (chapter, list(_subjects(list(group), job, template.parent)))
        for chapter, group in groupby(shown, key=lambda item: item.chapter)
    ]
    verdicts = _verdicts(shown, job)
    return html.page(
        template,
        study=job.study,
        verdicts=verdicts,
        summary=summary(verdicts),
        provenance=[*_provenance(json.loads(provenance.read_text())), *_declared(job)],
        introduction=rendered(template.parent / "workflow.rst", config={"name": job.study}),
        chapters=chapters,
        identifier=identifier,
    )


def identifier(*words: str) -> str:
    """The name of a place in the page."""
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower()).strip("-")


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many claims there are of each verdict, in words."""
    counts = {verdict: sum(it.verdict == verdict for it in verdicts) for verdict in get_args(claims.Verdict)}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _subjects(chapter: Sequence[ReportItem], job: ReportJob, folder: Path) -> Iterator[tuple[str, list[Item]]]:
    """The experiments or tasks of a chapter, each with its report items."""
    told: set[str] = set()
    for subject, group in groupby(chapter, key=lambda item: item.subject):
        items = []
        for item in group:
            items.append(_item(item, job, folder, item.caption in told))
            told.add(item.caption)
        yield subject, items


def _item(item: ReportItem, job: ReportJob, folder: Path, folded: bool) -> Item:
    caption = rendered(folder / item.caption, wildcards=item.wildcards, params=item.numbers)
    figure = item.kind == "figure"
    return Item(
        id=_place(item, job),
        title=item.name or item.subject,
        caption=caption,
        folded=folded,
        links=[(_label(file), _relative(file, job)) for file in item.files],
        picture=_picture(Path(item.file), f"{item.title}. {_first_sentence(caption)}") if figure else None,
        table=None if figure else tables.table(Path(item.data)),
    )


def _place(item: ReportItem, job: ReportJob) -> str:
    return identifier(_relative(item.file, job).rpartition(".")[0])


def _relative(file: str, job: ReportJob) -> str:
    return file.removeprefix(f"{job.results}/")


def _label(file: str) -> str:
    """What a link to a file is called."""
    kind = file.rpartition(".")[2].upper()
    return f"{kind}, one row a seed" if "/tables/seeds/" in file else kind


def _picture(svg: Path, alt: str) -> Picture:
    content = svg.read_bytes()
    width = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', content)
    if width is None:
        raise UserError(f"figure {svg}: its width in points is not in it, so it cannot be laid out: draw it again")
    source = f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
    return Picture(source, round(float(width[1]) * PIXELS_PER_INCH / POINTS_PER_INCH), alt)


def _first_sentence(caption: str) -> str:
    """Of a caption's text, without the heading of its first paragraph, as all that some readers get of a figure."""
    text = re.sub(r"^What is seen\.\s*", "", " ".join(re.sub(r"<[^>]+>", "", caption).split()))
    return re.split(r"(?<=[.:])\s", text, maxsplit=1)[0]


def _verdicts(shown: Sequence[ReportItem], job: ReportJob) -> list[Verdict]:
    file = f"{job.results}/tables/verdicts.csv"
    if not any(item.data == file for item in shown):
        return []
    places = {_relative(name, job): f"#{_place(item, job)}" for item in shown for name in item.files}
    return [_verdict(row, places, job) for row in read_csv(Path(file)).to_dict(orient="records")]


def _verdict(row: dict[Any, Any], places: dict[str, str], job: ReportJob) -> Verdict:
    cells = {name: tables.number(value) for name, value in row.items()}
    files = {name: _relative(str(row[name]), job) for name in ("figure", "table") if not pd.isna(row[name])}
    bounds = f"{cells['low']} to {cells['high']}" if cells["low"] and cells["high"] else ""
    p, side = claims.telling_p(row["p_adjusted"], row["p_against_adjusted"])
    return Verdict(
        claim=cells["claim"],
        hypothesis=cells["hypothesis"],
        verdict=cells["verdict"],
        effect=cells["effect"],
        interval=bounds,
        p=f"{tables.number(p)}{side}",
        seeds=cells["seeds"],
        reason=cells["reason"],
        links=[(name, places.get(file, file)) for name, file in files.items()],
    )


def _provenance(record: dict[str, Any]) -> list[tuple[str, str]]:
    """What made the results, in one line."""
    git = record["git"]
    commit = (git["commit"] or "not in a repository")[:12]
    seeds: Iterable[int] = record["seeds"]
    return [
        ("study", record["study_digest"][:12]),
        ("seeds", ", ".join(map(str, seeds))),
        ("commit", f"{commit} with changes" if git["changed"] else commit),
    ]


def _declared(job: ReportJob) -> Iterator[tuple[str, str]]:
    """Whether the claims are those under which the models were trained, if anything is claimed."""
    file = f"{job.results}/tables/claims.json"
    if any(file in showing.files for showing in job.showings):
        found = json.loads(Path(file).read_text())
        jobs, others = found["training_jobs"], found["under_other_claims"]
        changed = f"changed: {others} of {jobs} training jobs ran under other claims"
        yield "claims", f"{found['claims'][:12]}, {changed if others else f'the same in all {jobs} training jobs'}"


WARNING = 2
"""The docutils level from which on a text is not accepted."""


SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": WARNING,
    "report_level": WARNING,
    "warning_stream": False,
}


def rendered(path: Path, **values: Mapping[str, Any]) -> str:
    """A caption as HTML.

    ``values`` are what it quotes of ``snakemake``: ``wildcards={"experiment": ...}`` and ``params={...}`` for
    ``snakemake.wildcards.experiment``, ``config={...}`` for ``snakemake.config["name"]``. Raises ``UserError`` if a
    value is missing or the text is not reStructuredText.
    """
    try:
        # To jinja x.name and x["name"] are the same.
        text = jinja2.Template(path.read_text(), undefined=jinja2.StrictUndefined).render(snakemake=values)
        parts = publish_parts(text, writer="html5", settings_overrides=SETTINGS)
    except (jinja2.TemplateError, SystemMessage) as error:
        raise UserError(f"caption {path}: {error}") from None
    return str(parts["fragment"])
