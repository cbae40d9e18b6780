"""The report: one page that holds everything, opens with the verdicts, and needs no network and no JavaScript.

It is a page of our own because Snakemake's report needs JavaScript and a wide window, opens with a text instead of the
verdicts, cannot be printed, and holds every table as a page of its own. Pictures are embedded as images: inline SVGs in
one page would share the names of their parts.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

import jinja2
import pandas as pd
from docutils.core import publish_parts
from docutils.utils import SystemMessage

from elasticity.analysis.table import read_csv
from elasticity.config import claims
from elasticity.config.measures import MEASURES
from elasticity.core.errors import UserError
from elasticity.report import html, tables
from elasticity.report.contents import INTRODUCTION, ReportItem, ReportJob, report_items
from elasticity.report.tables import ShownTable

POINTS_PER_INCH, PIXELS_PER_INCH = 72, 96


@dataclass(frozen=True)
class Picture:
    """A figure in the page; ``width`` is the width that it was drawn for, in CSS pixels."""

    source: str
    width: int
    alt: str


@dataclass(frozen=True)
class PageItem:
    """A report item in the page; ``links`` are names and paths of its files.

    The caption is folded if an item of another experiment before it has the same one.
    """

    id: str
    title: str
    caption: str
    folded: bool
    links: list[tuple[str, str]]
    picture: Picture | None
    table: ShownTable | None


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
    """The page as text; equal results give equal bytes.

    Paths in the job are relative to the working directory, those in the page to the folder of the results.
    """
    items = report_items(job.items)
    chapters = [
        (chapter, list(_subjects(list(group), job))) for chapter, group in groupby(items, key=lambda item: item.chapter)
    ]
    verdicts = _verdicts(items, job)
    return html.page(
        template,
        study=job.study,
        verdicts=verdicts,
        summary=summary(verdicts),
        provenance=[*_provenance(json.loads(provenance.read_text())), *_declared(job)],
        introduction=rendered(INTRODUCTION, "the introduction", study=job.study),
        chapters=chapters,
        identifier=identifier,
    )


def identifier(*words: str) -> str:
    """The name of a place in the page."""
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(words).lower()).strip("-")


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many claims have each verdict, in words."""
    counts = {verdict: sum(it.verdict == verdict for it in verdicts) for verdict in get_args(claims.Verdict)}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _subjects(chapter: Sequence[ReportItem], job: ReportJob) -> Iterator[tuple[str, list[PageItem]]]:
    """The subjects of a chapter, each with its items."""
    seen: set[str] = set()
    for subject, group in groupby(chapter, key=lambda item: item.subject):
        items = []
        for item in group:
            items.append(_item(item, job, item.caption in seen))
            seen.add(item.caption)
        yield subject, items


def _item(item: ReportItem, job: ReportJob, folded: bool) -> PageItem:
    caption = rendered(item.caption, f"the caption of {item.title}", **item.wildcards, **item.numbers)
    figure = item.kind == "figure"
    return PageItem(
        id=_place(item, job),
        title=item.label,
        caption=caption,
        folded=folded,
        links=[(_label(file), _relative(file, job)) for file in item.files],
        picture=_picture(Path(item.file), f"{item.title}. {_first_sentence(caption)}") if figure else None,
        table=None if figure else tables.table(Path(item.file)),
    )


def _place(item: ReportItem, job: ReportJob) -> str:
    return identifier(_relative(item.file, job).rpartition(".")[0])


def _relative(file: str, job: ReportJob) -> str:
    return file.removeprefix(f"{job.results}/")


def _label(file: str) -> str:
    """The text of a link to a file."""
    kind = file.rpartition(".")[2].upper()
    return f"{kind}, one row per seed" if "/tables/seeds/" in file else kind


def _picture(svg: Path, alt: str) -> Picture:
    content = svg.read_bytes()
    width = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', content)
    if width is None:
        raise UserError(
            f"figure {svg} has no width in points, so it cannot be laid out: delete it, and it is drawn again"
        )
    source = f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}"
    return Picture(source, round(float(width[1]) * PIXELS_PER_INCH / POINTS_PER_INCH), alt)


def _first_sentence(caption: str) -> str:
    """The first sentence of a caption without the heading of its first paragraph, as the text of a picture."""
    text = re.sub(r"^What is seen\.\s*", "", " ".join(re.sub(r"<[^>]+>", "", caption).split()))
    return re.split(r"(?<=[.:])\s", text, maxsplit=1)[0]


def _has_verdicts(job: ReportJob) -> bool:
    return any(item.kind == "table" and item.name == "verdicts" for item in job.items)


def _verdicts(items: Sequence[ReportItem], job: ReportJob) -> list[Verdict]:
    if not _has_verdicts(job):
        return []
    places = {_relative(name, job): f"#{_place(item, job)}" for item in items for name in item.files}
    rows = read_csv(Path(f"{job.results}/tables/verdicts.csv")).to_dict(orient="records")
    return [_verdict(row, places, job) for row in rows]


def _verdict(row: dict[Any, Any], places: dict[str, str], job: ReportJob) -> Verdict:
    cells = {name: tables.number(value, digits=3) for name, value in row.items()}
    files = {name: _relative(str(row[name]), job) for name in ("figure", "table") if not pd.isna(row[name])}
    unit = MEASURES[cells["measure"]].unit
    bounds = f"{cells['low']} to {cells['high']} {unit}" if cells["low"] and cells["high"] else ""
    p, side = claims.telling_p(row["p_adjusted"], row["p_against_adjusted"])
    return Verdict(
        claim=cells["claim"],
        hypothesis=cells["hypothesis"],
        verdict=cells["verdict"],
        effect=cells["effect"],
        interval=bounds,
        p=f"{tables.number(p, digits=2)}{side}",
        seeds=cells["seeds"],
        reason=cells["reason"],
        links=[(name, places.get(file, file)) for name, file in files.items()],
    )


def _provenance(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Digest of the study, seeds and commit, for the head of the page."""
    git = record["git"]
    commit = (git["commit"] or "not in a repository")[:12]
    seeds: Iterable[int] = record["seeds"]
    return [
        ("study", record["study_digest"][:12]),
        ("seeds", ", ".join(map(str, seeds))),
        ("commit", f"{commit} with changes" if git["changed"] else commit),
    ]


def _declared(job: ReportJob) -> Iterator[tuple[str, str]]:
    """Whether the claims are those under which the models were trained; nothing if there are no claims."""
    if _has_verdicts(job):
        found = json.loads(Path(f"{job.results}/tables/claims.json").read_text())
        jobs, others = found["training_jobs"], found["under_other_claims"]
        changed = f"changed: {others} of {jobs} training jobs ran under other claims"
        yield "claims", f"{found['claims'][:12]}, {changed if others else f'the same in all {jobs} training jobs'}"
        if "looks" in found:
            yield "looks", f"after {found['looks']}"


WARNING = 2
"""The docutils level from which on a text is not accepted."""


SETTINGS = {
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "halt_level": WARNING,
    "report_level": WARNING,
    "warning_stream": False,
}


def rendered(text: str, what: str, **values: Any) -> str:
    """Text in reStructuredText as HTML, after jinja has filled the values in.

    Raises ``UserError``, which calls the text ``what``, if a value is missing or the text is not reStructuredText.
    """
    try:
        filled = jinja2.Template(text, undefined=jinja2.StrictUndefined).render(values)
        parts = publish_parts(filled, writer="html5", settings_overrides=SETTINGS)
    except (jinja2.TemplateError, SystemMessage) as error:
        raise UserError(f"report: {what}: {error}") from None
    return str(parts["fragment"])
