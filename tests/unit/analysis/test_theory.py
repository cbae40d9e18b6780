from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from elasticity.analysis.table import read_csv, write_csv
from elasticity.analysis.theory import claims_table, theory_table, turns_table
from elasticity.config.compression import Theory
from elasticity.config.loading import read_study
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.plots.figure import FigureJob
from elasticity.plots.style import MARKERS, save
from elasticity.plots.theory import theory, theory_turns

SMALL = Theory(tails=(3.0, 5.0), ratios=(2.0, 10.0, 100.0), perturbations=(0.0, 1.0), draws=5_000)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return theory_table(SMALL)


def test_a_row_for_each_reading_normalisation_cell_and_corpus(table: pd.DataFrame) -> None:
    keys = ["reading", "share", "normalisation", "alpha", "k", "l", "corpus"]
    assert len(table) == (3 + 2) * 2 * 2 * 3 * 2 * 2
    assert not table.duplicated(keys).any()
    unknown = (table["reading"] == "contained") & (table["normalisation"] == "ratio")
    assert (table["expanded"].isna() == unknown).all()
    assert table.drop(columns="expanded").notna().all().all()


def test_published_and_found_signs_are_in_the_corners(table: pd.DataFrame) -> None:
    figure = theory(table, FigureJob())
    told = [axis.texts[-1].get_text() for axis in figure.axes[:5]]
    assert told == [
        "published: D1 < 0, D2 > 0\nfound: D1 > 0, D2 < 0",
        "published: D1 < 0, D2 > 0\nfound: D1 < 0, D2 > 0",
        "published: D1 > 0, D2 > 0\nfound: D1 > 0, D2 both",
        "published: D1 > 0, D2 > 0\nfound: D1 > 0, D2 < 0",
        "published: D1 < 0, D2 > 0\nfound: D1 < 0, D2 > 0",
    ]


def test_every_panel_is_labelled(table: pd.DataFrame) -> None:
    axes = theory(table, FigureJob()).axes
    assert len(axes) == 6
    assert all(axis.get_xlabel() == "k = |D1| / |D2|" and axis.get_ylabel() and axis.get_title() for axis in axes)


def test_there_may_be_more_tails_than_markers() -> None:
    tails = tuple(3.0 + place for place in range(len(MARKERS) + 1))
    figure = theory(theory_table(Theory(tails=tails, ratios=(10.0,), perturbations=(0.0,), draws=1000)), FigureJob())
    assert len(figure.axes) == 6


def test_the_same_numbers_give_the_same_files(tmp_path: Path, table: pd.DataFrame) -> None:
    write_csv(table, tmp_path / "table.csv")
    contents = []
    for folder in ("a", "b"):
        paths = [tmp_path / folder / f"theory.{suffix}" for suffix in ("svg", "pdf", "png")]
        paths[0].parent.mkdir()
        save(theory(read_csv(tmp_path / "table.csv"), FigureJob()), paths)
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]


def test_each_published_claim_has_a_verdict_for_each_reading(table: pd.DataFrame) -> None:
    claims = claims_table(table).set_index(["reading", "share", "version"])
    verdict = {key: (row.signs, row.order, row.claim) for key, row in claims.iterrows()}
    third = SMALL.shares[-1]
    assert verdict["independent", 0, "ACL 2025"] == ("fail", "holds", "fails")
    assert verdict["contained", third, "ACL 2025"] == ("hold", "holds", "holds")
    assert verdict["contained", 0.1, "ACL 2025"][1:] == (
        "holds",
        "fails",
    )  # k = 2 lies above the turn, the others below
    assert verdict["pretraining", 0, "ACL 2025"] == ("hold", "holds", "holds")
    assert verdict["alignment", 0, "ACL 2025"] == ("fail", "holds", "fails")
    assert {verdict[key][1:] for key in verdict if key[2] == "first arXiv version"} == {("fails", "fails")}


def test_the_turns_are_below_those_of_small_variance_and_drawn(table: pd.DataFrame) -> None:
    turns = turns_table(SMALL)
    assert turns["k"].tolist() == [2, 10, 100, float("inf")] * 2
    assert (turns["turn"] < turns["small_variance"]).all()
    (axis,) = theory_turns(turns, FigureJob()).axes
    assert len(axis.get_lines()) == len(SMALL.tails) + 2


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1e6])
def test_where_signs_mean_nothing_or_are_lost_to_rounding_nothing_is_computed(ratio: float) -> None:
    with pytest.raises(ValueError, match="ratios"):
        Theory(ratios=(ratio,))


def test_tails_without_a_variance_are_refused() -> None:
    with pytest.raises(ValueError, match="above 2"):
        Theory(tails=(1.5, 3.0))


def test_the_theorem_is_checked_only_if_the_study_says_so(values: dict[str, Any]) -> None:
    files = {"results/tiny/tables/theory.csv", "results/tiny/figures/theory.svg"}
    assert not files & set(Pipeline(read_study(values)).targets)
    asked = Pipeline(read_study(values | {"theory": {"draws": 3000}}))
    assert files <= set(asked.targets)
    assert asked.tables.theory.draws == 3000
