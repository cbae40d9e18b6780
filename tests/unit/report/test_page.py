"""The report as a page: what it says, and how a browser shows it."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from elasticity.analysis.table import table_names, write_csv
from elasticity.config.calibration import Calibration
from elasticity.core.errors import UserError
from elasticity.plots.figure import FIGURES
from elasticity.plots.style import save, use_style
from elasticity.report.contents import (
    CHAPTERS,
    RECORDS,
    Heading,
    ItemSpec,
    ReportJob,
    figure_item,
    record_item,
    report_items,
    table_items,
    words_digest,
)
from elasticity.report.page import page, rendered
from elasticity.report.tables import Cell, csv_table, number
from tests.browser import A4_PX, dangling, look, needs_browser, printed
from tests.conftest import ROOT

TEMPLATE = ROOT / "workflow/report/page.html.jinja"


NUMBERS = {"draws": 1000.0}


def table_and_figure(name: str, **wildcards: str) -> tuple[ItemSpec, ...]:
    """The items of the main output of a table and of the figure of the same name."""
    numbers = NUMBERS if name == "theory" else {}
    tables = (item for item in table_items(name, "results/s", **wildcards) if item.output == "table")
    return (*tables, figure_item(name, "results/s", numbers, **wildcards))


CLAIM = {
    "claim": "crossing",
    "hypothesis": "the line of the largest P starts highest and <ends> lowest, as the paper has it",
    "experiment": "one",
    "measure": "crossing",
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
    items = (
        *table_and_figure("theory"),
        *table_and_figure("rebound", experiment="one"),
        *table_and_figure("rebound", experiment="Two.2"),
    )
    for name in ("theory", "theory-claims", "theory-turns", "rebound-one", "rebound-Two.2"):
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
    return ReportJob(study="s", results="results/s", items=items, words=words_digest(items))


def with_verdicts(job: ReportJob) -> ReportJob:
    declared = Path("results/s/tables/claims.json")
    declared.write_text(json.dumps({"claims": "e" * 64, "training_jobs": 9, "under_other_claims": 2}))
    return job.model_copy(update={"items": (*job.items, *table_items("verdicts", "results/s"))})


def _write(folder: Path, name: str, table: pd.DataFrame) -> None:
    for sub in ("tables/seeds", "figures"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    write_csv(table, folder / f"tables/{name}.csv")
    write_csv(table, folder / f"tables/seeds/{name}.csv")
    use_style()
    figure, axis = plt.subplots(figsize=(7, 2))
    axis.plot([0, 1])
    save(figure, [folder / f"figures/{name}.{suffix}" for suffix in ("svg", "pdf", "png")])


def written(job: ReportJob) -> Path:
    path = Path("results/s/report.html")
    path.write_text(page(job, TEMPLATE, Path("results/s/provenance.json")))
    return path.resolve()


def test_items_come_by_chapter_and_subject_figures_first(results: ReportJob) -> None:
    found = report_items(with_verdicts(results).items)
    names = [(it.chapter, it.subject, it.kind) for it in found]
    assert names == [
        ("Verdicts", "all claims", "table"),
        *(("Rebound", subject, kind) for subject in ("one", "Two.2") for kind in ("figure", "table")),
        *(("Theory", "theorem", kind) for kind in ("figure", "table")),
    ]
    table = found[2]
    assert table.files == ("results/s/tables/rebound-one.csv", "results/s/tables/seeds/rebound-one.csv")
    assert table.title == "one: scores, table"


def test_another_chapter_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Heading(chapter="Something new", subject="whole study", label="record", caption="*Of* a study.")
    monkeypatch.setattr("elasticity.report.contents.RECORDS", {**RECORDS, "other": other})
    specs = [
        record_item("other", ["a.json"]),
        record_item("card", ["b.json"], base="nano"),
        *table_items("theory", "r"),
    ]
    chapters = list(dict.fromkeys(it.chapter for it in report_items(specs)))
    assert chapters == ["Theory", "Cards", "Something new"]


def test_an_output_of_a_table_is_an_item_of_its_own() -> None:
    specs = table_items("springs", "results/s", experiment="one")
    assert [(spec.output, spec.files[0]) for spec in specs] == [
        ("table", "results/s/tables/springs-one.csv"),
        ("ratios", "results/s/tables/spring-ratios-one.csv"),
        ("exponents", "results/s/tables/spring-exponents-one.csv"),
    ]
    assert [it.label for it in report_items(specs)] == ["springs: table", "springs: ratios", "springs: exponents"]


def test_an_unknown_record_is_an_error() -> None:
    with pytest.raises(
        UserError, match="there is no record 'cart'; available: score-model, examples, card, provenance"
    ):
        report_items([record_item("cart", ["cart.json"])])


def test_every_caption_is_complete() -> None:
    """Every figure, table and record of a study has a caption that its wildcards and numbers fill in."""
    names = {"experiment": "e", "base": "nano", "task": "t"}
    specs = [spec for name in table_names() for spec in table_items(name, "r", **names)]
    specs += [
        figure_item(name, "r", NUMBERS | Calibration().model_dump(exclude_none=True), **names)
        for name in FIGURES.names()
    ]
    specs += [record_item(name, ["a.json"], **names) for name in RECORDS]
    for item in report_items(specs):
        assert item.chapter in CHAPTERS
        assert "{" not in item.title
        assert rendered(item.caption, item.title, **{**item.wildcards, **item.numbers}).startswith("<p>")


def test_planning_reads_headings_without_the_libraries_that_make_tables_and_figures() -> None:
    heavy = ("matplotlib", "pandas", "pyarrow", "scipy", "seaborn", "statsmodels", "torch")
    code = f"""
import sys
from elasticity.analysis.table import table_names
from elasticity.plots.figure import FIGURES
from elasticity.report.contents import figure_item, table_items, words_digest
items = [item for name in table_names() for item in table_items(name, "r", experiment="e", task="t")]
items += [figure_item(name, "r", experiment="e", base="b") for name in FIGURES.names()]
assert len(words_digest(items)) == 64
print([name for name in {heavy!r} if name in sys.modules])
"""
    path = {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    done = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


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
    assert "0 confirmed, 1 refuted, 1 undecided, 0 not testable</b> of 2 claims" in opening
    assert 'href="#figures-rebound-one"' in opening
    assert 'href="#tables-rebound-one"' in opening
    assert "&lt;ends&gt; lowest" in opening
    assert "cccccccccccc with changes" in opening
    assert "eeeeeeeeeeee, changed: 2 of 9 training jobs ran under other claims" in opening
    assert "0.69" in opening
    assert "seeds the sign-flip test cannot reach" in opening
    assert "−0.0423 to 0.0712 score" in opening


def test_a_study_without_claims_says_so(results: ReportJob) -> None:
    assert "this study declares no claims" in written(results).read_text()


def test_the_same_results_give_the_same_bytes(results: ReportJob) -> None:
    assert written(results).read_bytes() == written(results).read_bytes()


def test_captions_quote_values_and_mistakes_in_them_are_errors() -> None:
    assert rendered("*Of* {{ experiment }}", "a caption", experiment="a") == "<p><em>Of</em> a</p>\n"
    with pytest.raises(UserError, match="a caption: 'experiment' is undefined"):
        rendered("{{ experiment }}", "a caption")
    with pytest.raises(UserError, match="start-string without end-string"):
        rendered("*open", "a caption")


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
