"""Elasticity cards: what is measured is in them, what is not is null, and many of them can be compared."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pandas as pd
import pytest
from scipy import stats

from elasticity.analysis.table import write_csv
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.report.card import card
from elasticity.report.card_page import AT_LARGEST, card_page, compared, compared_figure, read_card, words
from elasticity.report.card_schema import Card, CardJob, schema
from tests.browser import dangling, look, needs_browser
from tests.conftest import ROOT, tiny_study

RUN = {"parameters": 1000, "wall_s": 2.0, "processes": 1, "threads": 3, "tokens": 50, "model_tflop": 0.5}
PROVENANCE = {
    "study_digest": "d" * 64,
    "git": {"commit": "c" * 40, "changed": False},
    "python": "3.11.7",
    "packages": {"torch": "2"},
    "hardware": {"system": "Linux", "processor": "p", "cores": 2},
}


def measures(**values: list[Any]) -> pd.DataFrame:
    """A row for each seed of each measure: a number, or a number with its bounds."""
    rows = []
    for name, found in values.items():
        for seed, value in enumerate(found, start=1):
            value, low, high = value if isinstance(value, tuple) else (value, value, value)
            measure, size = name.replace("_", "-"), 16 if name in AT_LARGEST else None
            pair = "all" if name == "kl_gap" else None
            row = {"base": "nano", "seed": seed, "alignment_size": size, "pair": pair, "measure": measure}
            rows.append(row | {"value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def made(folder: Path, tables: dict[str, pd.DataFrame], *runs: dict[str, Any], declared: bool = False) -> Card:
    study = read_study(tiny_study())
    job = CardJob.model_validate_json(Pipeline(study).report.card_job(SimpleNamespace(base="nano")))
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    for place, run in enumerate(runs):
        (folder / f"{place}.json").write_text(json.dumps(run))
    (folder / "provenance.json").write_text(json.dumps(PROVENANCE))
    claims = folder / "claims.json"
    claims.write_text(json.dumps({"claims": "e" * 64, "training_jobs": 4, "under_other_claims": 1}))
    return card(
        job,
        [folder / f"{name}.csv" for name in tables],
        [folder / f"{place}.json" for place in range(len(runs))],
        folder / "provenance.json",
        claims if declared else None,
    )


def test_what_was_not_measured_is_null(tmp_path: Path) -> None:
    found = made(tmp_path, {}, {"parameters": 7})
    rebound = (found.rebound or [])[0]
    assert rebound.experiment == "existence"
    assert rebound.reversal_ratio is rebound.crossing_end is rebound.slopes is rebound.text_statistics is None
    assert found.verdicts is found.controls is found.compression is found.provenance.claims is None
    assert (found.resistance or [])[0].kl_gap is None
    assert found.model.parameters == 7
    assert (found.cost.training_jobs, found.cost.tokens, found.cost.cpu_seconds) == (0, 0, 0)


def test_estimates_are_those_of_the_seeds(tmp_path: Path) -> None:
    values = [0.5, 1.0, 3.0]
    tables = {
        "measures-existence": measures(crossing_end=values, crossing_start=[math.nan] * 3),
        "measures-slices": measures(kl_gap=[0.25, 0.25]),
    }
    found = made(tmp_path, tables)
    rebound = (found.rebound or [])[0]
    assert rebound.crossing_start is None
    assert rebound.crossing_end is not None
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert rebound.crossing_end.value == pytest.approx(1.5)
    assert [rebound.crossing_end.low, rebound.crossing_end.high] == pytest.approx([expected.low, expected.high])
    gap = (found.resistance or [])[0].kl_gap
    assert gap is not None
    assert (gap.value, gap.seeds) == (0.25, 2)


@pytest.mark.parametrize(
    ("values", "value", "censored", "said"),
    [
        ([1.0, (3.0, 3.0, math.inf)], 2.0, (0, 1), "≥ 2, 2 seeds, of 1 only a bound"),
        ([1.0, (3.0, -math.inf, 3.0)], 2.0, (1, 0), "≤ 2, 2 seeds, of 1 only a bound"),
        ([(1.0, 1.0, math.inf), (3.0, -math.inf, 3.0)], None, (1, 1), "no number, 2 seeds, of 2 only a bound"),
    ],
)
def test_of_censored_seeds_only_bounds_are_given(
    values: list[Any], value: float | None, censored: tuple[int, int], said: str, tmp_path: Path
) -> None:
    found = made(tmp_path, {"measures-existence": measures(reversal_ratio=values)})
    (point,) = (found.rebound or [])[0].reversal_ratio or []
    assert point.alignment_size == 16
    assert (point.estimate.value, point.estimate.low, point.estimate.high) == (value, None, None)
    assert (point.estimate.censored_below, point.estimate.censored_above) == censored
    assert words(point.estimate) == said


def verdicts() -> pd.DataFrame:
    row = {"claim": "a", "hypothesis": "h", "experiment": "existence", "measure": "end", "over": "value"}
    row |= {"role": "confirmatory", "verdict": "undecided", "reason": "few seeds"}
    numbers = {"effect": 0.5, "low": -math.inf, "high": math.nan, "seeds": 3, "p_adjusted": 0.5}
    claim = row | numbers | {"p_against_adjusted": 1.0}
    return pd.DataFrame([claim, claim | {"claim": "b", "over": "control"}, claim | {"experiment": "another"}])


def test_verdicts_controls_cost_and_claims(tmp_path: Path) -> None:
    runs = [RUN | {"device": "x86_64"}, RUN | {"device": "NVIDIA A100", "processes": 4}, {"parameters": 1000}]
    found = made(tmp_path, {"verdicts": verdicts()}, *runs, declared=True)
    assert [it.claim for it in found.verdicts or []] == ["a"]
    assert [it.claim for it in found.controls or []] == ["b"]
    assert (found.verdicts or [])[0].low is None
    assert found.cost.model_dump() == {
        "training_jobs": 2,
        "cpu_seconds": 6.0,
        "gpu_seconds": 8.0,
        "tokens": 100,
        "tflop": 1.0,
    }
    assert found.provenance.claims is not None
    assert found.provenance.claims.under_other_claims == 1


def full(folder: Path) -> Card:
    tables = {
        "measures-existence": measures(reversal_ratio=[-1.0, -2.0], crossing_end=[0.1, 0.2], crossing_start=[0.1, 0.3]),
        "verdicts": verdicts(),
        "bits-per-byte-made-up": pd.DataFrame({"base": ["nano"], "corpus": ["positive"], "bits_per_byte": [2.5]}),
    }
    return made(folder, tables, RUN | {"device": "x86_64"}, declared=True)


def test_a_card_follows_the_schema_and_survives_reading(tmp_path: Path) -> None:
    found = full(tmp_path)
    path = tmp_path / "card.json"
    path.write_text(found.text())
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))
    jsonschema.validate(json.loads(path.read_text()), json.loads(schema()))
    assert read_card(path) == found
    assert read_card(path).text() == found.text()


def test_cards_are_compared(tmp_path: Path) -> None:
    found = full(tmp_path)
    table = compared([found, found])
    assert list(table["experiment"]) == ["existence", "pretraining"] * 2
    assert table["reversal_ratio"][0] == -1.5
    assert table["crossing_end"][0] == pytest.approx(0.15)
    assert math.isnan(table["crossing_end"][1])
    left, right = compared_figure(table).axes
    assert [label.get_text() for label in left.get_yticklabels()][:2] == [
        "nano, tiny: existence",
        "nano, tiny: pretraining",
    ]
    assert right.get_xlabel().startswith("crossing")


def test_a_study_that_measures_leans_alone_has_a_card_that_can_be_compared(tmp_path: Path) -> None:
    leans = measures(lean_start=[0.01, 0.03], lean_return=[-0.5, -0.1], lean_crossing_end=[0.0, 0.2])
    found = made(tmp_path, {"measures-existence": leans})
    rebound = (found.rebound or [])[0]
    assert [(point.alignment_size, point.estimate.value) for point in rebound.lean_start or []] == [(16, 0.02)]
    table = compared([found])
    assert table["lean_return"][0] == pytest.approx(-0.3)
    labels = [axis.get_xlabel() for axis in compared_figure(table).axes]
    assert [label.partition(",")[0] for label in labels] == [
        "alignment moves the lean by",
        "it returns by",
        "crossing at the largest N",
    ]
    page = card_page(found, ROOT / "workflow/report/card.html.jinja")
    assert "lean at N = 0, P = 16" in page
    assert "crossing of the lean" in page
    assert ") bits per byte above the base, 2 seeds<" in page


def test_a_card_of_before_can_be_read(tmp_path: Path) -> None:
    """Cards that know no lean are compared with those that do."""
    values = json.loads(full(tmp_path).text())
    for rebound in values["rebound"]:
        for name in ("lean_start", "lean_return", "lean_crossing_start", "lean_crossing_end"):
            del rebound[name]
    (tmp_path / "old.json").write_text(json.dumps(values))
    assert compared([read_card(tmp_path / "old.json")])["crossing_end"][0] == pytest.approx(0.15)


def test_a_file_that_is_no_card_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json: No such file"):
        read_card(tmp_path / "none.json")
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    with pytest.raises(UserError, match=r"wrong\.json: version: Field required.*card\.schema\.json"):
        read_card(wrong)
    with pytest.raises(UserError, match="nothing to compare"):
        compared([])


def test_the_files_of_a_card_are_those_of_the_study() -> None:
    plan = Pipeline(read_study(tiny_study())).report
    wildcards = SimpleNamespace(base="nano-step3")
    assert plan.cards() == ["results/tiny/cards/nano.json", "results/tiny/cards/nano-step3.json"]
    assert "results/tiny/tables/bits-per-byte-made-up.csv" in plan.card_tables(wildcards)
    metrics = plan.card_metrics(wildcards)
    assert metrics[0] == "results/tiny/models/nano/metrics.json"
    assert len(metrics) == 1 + 2 + 2  # pre-training, and alignment and inverse stages of two seeds


@needs_browser
def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    found = full(tmp_path)
    path = tmp_path / "nano.html"
    path.write_text(card_page(found, ROOT / "workflow/report/card.html.jinja"))
    (tmp_path / "nano.json").write_text(found.text())
    assert dangling(path) == []
    (tmp_path / "look").mkdir()
    seen = look(path, 400, tmp_path / "look")
    assert seen.console == []
    assert seen.measures["content"] == 400
    assert seen.measures["smallest"] >= 12
