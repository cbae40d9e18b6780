"""The measures of an experiment: tables of seeds come in, one row a seed and measure goes out."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from elasticity.analysis.jobs import MeasuresJob
from elasticity.analysis.table import write_csv
from elasticity.analysis.tables.measures import (
    COLUMNS,
    in_order,
    measures_summary,
    read_measures,
    rebound_measures,
    resistance_measures,
)
from elasticity.config.loading import read_study
from elasticity.config.measures import computed
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.plots.figure import FigureJob
from elasticity.plots.measures import measures
from elasticity.plots.style import save
from tests.conftest import ROOT

BASES = ("nano", "NA")
REBOUND = [measure.name for measure in computed("rebound") if measure.outcome == "score"]
RESISTANCE = [measure.name for measure in computed("resistance")]
DRAWN = FigureJob(bases=BASES)
SIZES = (0, 4, 16, 64, 256, 1024)
BASE_SCORES = pd.Series({"nano": 0.5, "NA": 0.25})


def rebound_table_of_seeds(side: str = "positive", sizes: tuple[int, ...] = SIZES) -> pd.DataFrame:
    """Scores that fall from 0.5 + P / 64 + seed / 16 to 0.5 less half of that, as a study writes them."""
    rows = []
    for base in BASES:
        for first in (8, 16):
            for second in sizes:
                for seed in (1, 2, 3):
                    top = first / 64 + seed / 16
                    score = 0.5 + top * (1.5 * np.exp(-second / 32) - 0.5)
                    rows.append((base, side, "first", "second", first, second, seed, score, 8))
    names = [
        "base",
        "alignment_side",
        "alignment_recipe",
        "inverse_recipe",
        "alignment_size",
        "inverse_size",
        "seed",
        "score",
    ]
    return pd.DataFrame(rows, columns=[*names, "prompts"])


def resistance_table_of_seeds() -> pd.DataFrame:
    rows = []
    for seed in (1, 2):
        for pair, gap in (("1-2", 0.25), ("2-3", 0.5), ("1-3", 0.75)):
            for direction in ("forward", "inverse"):
                kl = 1 + seed * gap * (direction == "forward")
                rows.append((pair, direction, 4 + kl, 4.0, kl - 0.125, kl, 2.0 - kl, "nano", seed))
    names = ["pair", "direction", "cross_entropy", "own_entropy", "kl", "kl_exact", "training_loss", "base", "seed"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return in_order(rebound_measures(rebound_table_of_seeds(), BASE_SCORES), BASES)


def value(table: pd.DataFrame, measure: str, **where: Any) -> float:
    rows = table[table["measure"] == measure]
    for name, wanted in where.items():
        rows = rows[rows[name] == wanted]
    (found,) = rows["value"]
    return float(found)


def test_every_measure_has_a_row_for_each_seed_and_size(table: pd.DataFrame) -> None:
    assert list(table) == COLUMNS
    assert list(dict.fromkeys(table["measure"])) == REBOUND
    assert not table.duplicated(["base", "seed", "alignment_size", "pair", "measure"]).any()
    over_sizes = table["measure"].str.startswith("crossing-")
    assert len(table) == 2 * 3 * (2 + 2 * (len(REBOUND) - 2))
    assert (table["alignment_size"].isna() == over_sizes).all()
    assert table["pair"].isna().all()
    assert list(dict.fromkeys(table["base"])) == list(BASES)


def test_each_row_measures_its_own_cells(table: pd.DataFrame) -> None:
    assert value(table, "start", base="nano", seed=2, alignment_size=16) == 0.25 + 0.125
    assert value(table, "start", base="NA", seed=2, alignment_size=16) == 0.5 + 0.125
    assert value(table, "end", base="nano", seed=1, alignment_size=8) == pytest.approx(-0.09375)
    assert value(table, "overshoot", base="nano", seed=1, alignment_size=8) == pytest.approx(0.09375)
    assert value(table, "crossing-start", base="nano", seed=3) == 0.125
    assert value(table, "crossing-end", base="nano", seed=3) == pytest.approx(0.0625)
    assert value(table, "initial-rate", base="nano", seed=3, alignment_size=8) == pytest.approx(
        (1 - np.exp(-1 / 8)) / 4
    )
    assert value(table, "two-phase", base="nano", seed=1, alignment_size=8) == pytest.approx(-2 * np.log(6))


def test_bounds_are_kept_where_a_ratio_is_censored(table: pd.DataFrame) -> None:
    ratios = table[table["measure"] == "reversal-ratio"]
    never = ratios[(ratios["base"] == "NA") & (ratios["seed"] == 1) & (ratios["alignment_size"] == 8)]
    assert never[["value", "low", "high"]].to_numpy().tolist() == [[7.0, 7.0, np.inf]]
    assert np.isfinite(ratios[ratios["base"] == "nano"]["high"]).all()
    others = table[table["measure"] != "reversal-ratio"]
    assert (others["low"] == others["value"]).all()
    assert (others["high"] == others["value"]).all()


def test_with_the_negative_side_first_scores_are_turned() -> None:
    """The mirror image of scores about the base model's measures the same."""
    mirrored = rebound_table_of_seeds("negative")
    mirrored["score"] = 2 * mirrored["base"].map(BASE_SCORES) - mirrored["score"]
    found = rebound_measures(mirrored, BASE_SCORES)
    pd.testing.assert_frame_equal(found, rebound_measures(rebound_table_of_seeds(), BASE_SCORES))


def test_without_n_0_the_measures_that_need_it_are_missing() -> None:
    table = rebound_measures(rebound_table_of_seeds(sizes=SIZES[1:]), BASE_SCORES)
    missing = set(table[table["value"].isna()]["measure"])
    assert missing == {"start", "crossing-start", "initial-rate", "two-phase", "area", "matched-fall"}
    assert table[table["measure"].isin(missing)][["value", "low", "high"]].isna().all(axis=None)


def test_a_seed_without_a_cell_misses_what_is_measured_of_it() -> None:
    rows = rebound_table_of_seeds()
    gone = (rows["base"] == "nano") & (rows["seed"] == 2) & (rows["alignment_size"] == 8) & (rows["inverse_size"] == 16)
    table = rebound_measures(rows[~gone], BASE_SCORES)
    assert np.isnan(value(table, "area", base="nano", seed=2, alignment_size=8))
    assert not np.isnan(value(table, "area", base="nano", seed=2, alignment_size=16))
    assert np.isnan(value(table, "matched-fall", base="nano", seed=2, alignment_size=16))


def test_resistance_is_forward_minus_inverse_and_the_mean_over_pairs() -> None:
    table = in_order(resistance_measures(resistance_table_of_seeds()), ["nano"])
    assert list(table) == COLUMNS
    assert len(table) == len(RESISTANCE) * 2 * 4
    assert value(table, "kl-gap", seed=2, pair="1-3") == 1.5
    assert value(table, "kl-gap", seed=2, pair="all") == 1.0
    assert value(table, "entropy-gap", seed=1, pair="all") == 0.0
    assert value(table, "cross-entropy-gap", seed=1, pair="1-2") == 0.25
    assert value(table, "training-loss-gap", seed=1, pair="2-3") == -0.5
    assert table["alignment_size"].isna().all()


def test_there_is_no_mean_of_bounds(table: pd.DataFrame) -> None:
    summary = measures_summary(table).set_index(["measure", "base", "alignment_size"])
    censored, known = summary.loc[("reversal-ratio", "NA", 8)], summary.loc[("start", "nano", 16)]
    assert (censored["seeds"], censored["at_least"], censored["at_most"], censored["missing"]) == (3, 3, 0, 0)
    assert np.isnan(censored["mean"])
    assert (known["mean"], known["least"], known["most"]) == (0.375, 0.3125, 0.4375)
    assert known["mean_low"] == pytest.approx(0.375 - 4.302653 * 0.0625 / np.sqrt(3))
    few = measures_summary(table.assign(value=table["value"].where(table["seed"] == 1)))
    assert (few["missing"] == 2).all()
    assert few["mean_low"].isna().all()


def test_a_table_survives_its_file(table: pd.DataFrame, tmp_path: Path) -> None:
    write_csv(table, tmp_path / "table.csv")
    assert "inf" in (tmp_path / "table.csv").read_text()
    pd.testing.assert_frame_equal(read_measures(tmp_path / "table.csv"), table, check_exact=False, check_dtype=False)


def test_the_script_measures_both_kinds_that_share_a_name(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.csv" for name in ("rebound-seeds", "rebound-table", "resistance-seeds")}
    write_csv(rebound_table_of_seeds(), files["rebound-seeds"])
    write_csv(BASE_SCORES.rename_axis("base").rename("base_score").reset_index(), files["rebound-table"])
    write_csv(resistance_table_of_seeds(), files["resistance-seeds"])
    output = tmp_path / "measures.csv"
    paths = [str(part) for name, path in (files | {"table": output}).items() for part in (f"--{name}", path)]
    script = ROOT / "workflow/scripts/table.py"
    job = MeasuresJob(bases=BASES).model_dump_json()
    subprocess.run([sys.executable, str(script), "measures", job, *paths], check=True)
    found = read_measures(output)
    assert list(dict.fromkeys(found["measure"])) == [*REBOUND, *RESISTANCE]
    assert value(found, "start", base="NA", seed=2, alignment_size=16) == pytest.approx(0.625)


# The figure


def test_the_same_bytes_twice(table: pd.DataFrame, tmp_path: Path) -> None:
    paths = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in paths:
        save(measures(table, DRAWN), [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_panel_for_each_measure_that_could_be_computed(table: pd.DataFrame) -> None:
    figure = measures(table[table["measure"] != "two-phase"], DRAWN)
    panels = {axis.get_title(): axis for axis in figure.axes if axis.axison}
    assert len(panels) == 8
    assert [tick.get_text() for tick in panels["crossing"].get_xticklabels()] == ["start", "end"]
    assert [tick.get_text() for tick in panels["start: above base at N = 0"].get_xticklabels()] == ["8", "16"]
    triangles = [line for line in panels["reversal ratio"].get_lines() if line.get_marker() == "^"]
    assert sum(len(np.asarray(line.get_xdata())) for line in triangles) == 6
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == [*BASES, "a seed", "a seed: at least"]
    plt.close(figure)


def test_nothing_and_resistance_are_drawn(table: pd.DataFrame, tmp_path: Path) -> None:
    missing = table.assign(value=np.nan, low=np.nan, high=np.nan)
    save(measures(missing, DRAWN), [tmp_path / "missing.svg"])
    figure = measures(resistance_measures(resistance_table_of_seeds()), FigureJob(bases=("nano",)))
    assert [axis.get_ylabel() for axis in figure.axes] == ["nats per token"] * 4
    plt.close(figure)


# The graph


def test_scored_and_resistance_experiments_are_measured(values: dict[str, Any]) -> None:
    values["resistance"]["existence"] = values["resistance"]["slices"]
    table = Pipeline(read_study(values)).tables["measures"]
    assert table.paths() == [
        f"results/tiny/tables/measures-{name}.csv" for name in ("existence", "pretraining", "slices")
    ]
    both, one = SimpleNamespace(experiment="existence"), SimpleNamespace(experiment="slices")
    assert {name: files(both) for name, files in table.inputs.items()} == {
        "rebound_seeds": ["results/tiny/tables/seeds/rebound-existence.csv"],
        "rebound_table": ["results/tiny/tables/rebound-existence.csv"],
        "lean_seeds": [],
        "resistance_seeds": ["results/tiny/tables/seeds/resistance-existence.csv"],
    }
    assert table.inputs["rebound_seeds"](one) == table.inputs["rebound_table"](one) == []
    assert MeasuresJob.model_validate_json(table.job(both)).bases == ("nano", "given")


def test_what_is_not_scored_is_not_measured(values: dict[str, Any]) -> None:
    del values["tasks"]["reviews"]["score_model"]
    values |= {"resistance": {}, "compression": {"window": 32, "stride": 16}}
    for rebound in values["rebound"].values():
        rebound["compression"] = True
    assert Pipeline(read_study(values)).tables["measures"].paths() == []
