"""The report as a page: what it says, and how a browser shows it."""

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from elasticity.analysis.tables import write_csv, write_html
from elasticity.core.errors import UserError
from elasticity.plots.style import save, use_style
from elasticity.report.contents import CHAPTERS, Flag, Showing, items
from elasticity.report.page import ReportJob, page, rendered
from elasticity.report.tables import Cell, csv_table, number
from tests.browser import A4_PX, dangling, look, needs_browser, printed
from tests.conftest import ROOT

TEMPLATE = ROOT / "workflow/report/page.html.jinja"


def flag(file: str, chapter: str, caption: str, **labels: str) -> Flag:
    return Flag(file=file, chapter=chapter, caption=caption, labels=labels)


def showing(kind: str, chapter: str, *jobs: dict[str, str], **numbers: float) -> Showing:
    """A table and a figure of each job, as rules declare them."""
    of = "-{experiment}" if jobs[0] else ""
    files = (f"tables/{kind}{of}.html", f"tables/seeds/{kind}{of}.csv", f"tables/{kind}{of}.csv")
    files += tuple(f"figures/{kind}{of}.{suffix}" for suffix in ("svg", "pdf", "png"))
    subject = "{experiment}" if jobs[0] else kind
    flags = (
        flag(f"results/s/{files[0]}", chapter, f"{kind}_table.rst", experiment=subject, what=f"{kind}, table"),
        flag(f"results/s/{files[3]}", chapter, f"{kind}_figure.rst", experiment=subject, what=kind),
    )
    return Showing(flags=flags, files=tuple(f"results/s/{file}" for file in files), jobs=jobs, numbers=numbers)


CLAIM = {
    "claim": "crossing",
    "hypothesis": "the line of the largest P starts highest and <ends> lowest, as the paper has it",
    "experiment": "one",
    "effect": 0.0123,
    "low": -0.0423,
    "high": 0.0712,
    "p_adjusted": 0.693,
    "p_against_adjusted": 1.0,
    "seeds": 3,
    "verdict": "undecided",
    "reason": "the interval contains the margin; with 3 seeds the sign-flip test cannot reach 0.05 (floor 0.125)",
    "figure": "figures/rebound-one.svg",
    "table": "tables/rebound-one.csv",
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportJob:
    """Two experiments and the theory; the second experiment has a long and wide table."""
    monkeypatch.chdir(tmp_path)
    showings = (
        showing("theory", "Theory", {}, draws=1000.0),
        showing("rebound", "Rebound", {"experiment": "one"}, {"experiment": "Two.2"}),
    )
    for name in ("theory", "rebound-one", "rebound-Two.2"):
        small = pd.DataFrame({"base": "tiny", "seeds": 3, "size": [1, 2], "score": [0.5, 0.25]})
        small = small.assign(score_low=[-math.inf, 0.125], score_high=[0.75, math.nan])
        table = (
            small
            if name != "rebound-Two.2"
            else pd.DataFrame({f"a_long_name_{k}": [n * k / 7 for n in range(80)] for k in range(16)})
        )
        _write(Path("results/s"), name, table)
    verdicts = pd.DataFrame(
        [CLAIM, CLAIM | {"claim": "ends", "verdict": "refuted", "effect": math.nan, "figure": None}]
    )
    _write(Path("results/s"), "verdicts", verdicts)
    provenance = {"study_digest": "d" * 64, "seeds": [1, 2], "git": {"commit": "c" * 40, "changed": True}}
    Path("results/s/provenance.json").write_text(json.dumps(provenance))
    return ReportJob(study="s", results="results/s", showings=showings)


def with_verdicts(job: ReportJob) -> ReportJob:
    file = "results/s/tables/verdicts"
    flags = (flag(f"{file}.html", " Verdicts", "rebound_table.rst", study="claims", what="table"),)
    declared = "results/s/tables/claims.json"
    Path(declared).write_text(json.dumps({"claims": "e" * 64, "training_jobs": 9, "under_other_claims": 2}))
    shown = Showing(
        flags=flags, files=(f"{file}.html", f"{file}.csv", declared), jobs=({"experiment": "x"},), numbers={}
    )
    return job.model_copy(update={"showings": (*job.showings, shown)})


def _write(folder: Path, name: str, table: pd.DataFrame) -> None:
    for sub in ("tables/seeds", "figures"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    write_csv(table, folder / f"tables/{name}.csv")
    write_csv(table, folder / f"tables/seeds/{name}.csv")
    write_html(table, folder / f"tables/{name}.html", ".3f")
    use_style()
    figure, axis = plt.subplots(figsize=(7, 2))
    axis.plot([0, 1])
    save(figure, [folder / f"figures/{name}.{suffix}" for suffix in ("svg", "pdf", "png")])


def written(job: ReportJob) -> Path:
    path = Path("results/s/report.html")
    path.write_text(page(job, TEMPLATE, Path("results/s/provenance.json")))
    return path.resolve()


def test_exhibits_come_by_chapter_and_subject_figures_first(results: ReportJob) -> None:
    found = items(with_verdicts(results).showings)
    names = [(it.chapter, it.subject, it.kind) for it in found]
    assert names == [
        ("Verdicts", "claims", "table"),
        *(("Rebound", subject, kind) for subject in ("one", "Two.2") for kind in ("figure", "table")),
        *(("Theory", "theory", kind) for kind in ("figure", "table")),
    ]
    table = found[2]
    assert table.files == tuple(
        f"results/s/tables/{file}" for file in ("rebound-one.html", "rebound-one.csv", "seeds/rebound-one.csv")
    )
    assert table.data == "results/s/tables/rebound-one.csv"


def test_a_chapter_of_another_name_is_shown_last() -> None:
    other = showing("x", "Something new", {"experiment": "a"})
    known = [showing("x", chapter, {"experiment": "a"}) for chapter in reversed(CHAPTERS)]
    chapters = [it.chapter for it in items([other, *known])]
    assert list(dict.fromkeys(chapters)) == [*CHAPTERS, "Something new"]


def test_tables_say_constants_once_and_intervals_beside_values(results: ReportJob) -> None:
    shown = csv_table(Path("results/s/tables/theory.csv"))
    assert shown.columns == ["size", "score"]
    assert shown.constants == [("base", "tiny"), ("seeds", "3")]
    assert shown.rows == [
        [Cell("1"), Cell("0.5", "−∞ to 0.75")],
        [Cell("2"), Cell("0.25")],  # a bound is missing
    ]


def test_numbers_are_short_and_never_wrong() -> None:
    assert [number(x) for x in (0.123456, -1234.5678, 12345678.0, 0.0, 1.5e-7, True, None, math.nan, "a-b")] == [
        "0.1235",
        "−1235",
        "12345678",
        "0",
        "1.5e−07",
        "True",
        "",
        "",
        "a-b",
    ]


def test_the_page_opens_with_the_verdicts_and_links_into_itself(results: ReportJob) -> None:
    text = written(with_verdicts(results)).read_text()
    opening = text[: text.index("<nav")]
    assert "0 confirmed, 1 refuted, 1 undecided</b> of 2 claims" in opening
    assert 'href="#figures-rebound-one"' in opening
    assert 'href="#tables-rebound-one"' in opening
    assert "&lt;ends&gt; lowest" in opening
    assert "cccccccccccc with changes" in opening
    assert "eeeeeeeeeeee, changed: 2 of 9 training jobs ran under other claims" in opening
    assert "0.693" in opening
    assert "seeds the sign-flip test cannot reach" in opening
    assert "−0.0423 to 0.0712" in opening


def test_a_study_without_claims_says_so(results: ReportJob) -> None:
    assert "this study declares no claims" in written(results).read_text()


def test_the_same_results_give_the_same_bytes(results: ReportJob) -> None:
    assert written(results).read_bytes() == written(results).read_bytes()


def test_captions_quote_and_mistakes_in_them_are_told(tmp_path: Path) -> None:
    caption = tmp_path / "caption.rst"
    caption.write_text('*Of* {{ snakemake.wildcards.experiment }}, {{ snakemake.config["name"] }}')
    assert rendered(caption, wildcards={"experiment": "a"}, config={"name": "b"}) == "<p><em>Of</em> a, b</p>\n"
    with pytest.raises(UserError, match=r"caption\.rst.*'wildcards'"):
        rendered(caption, config={"name": "b"})
    caption.write_text("*open")
    with pytest.raises(UserError, match="start-string without end-string"):
        rendered(caption)


@needs_browser
def test_a_browser_shows_all_of_it_at_any_width_and_in_print(results: ReportJob, tmp_path: Path) -> None:
    path = written(with_verdicts(results))
    assert dangling(path) == []
    for width in (1280, 400):
        seen = look(path, width, tmp_path)
        assert seen.console == []
        assert seen.measures["pictures"] == 3
        assert seen.measures["broken"] == 0
        assert seen.measures["width"] == seen.measures["content"] == width
        assert seen.measures["smallest"] >= 12
    assert look(path, A4_PX, tmp_path, printed=True).measures["cut"] == 0
    pdf = tmp_path / "report.pdf"
    printed(path, pdf)
    assert pdf.read_bytes().startswith(b"%PDF-")
    pages = re.findall(rb"/Type /Page\b", pdf.read_bytes())
    assert 4 <= len(pages) <= 12
