"""Leans: from code lengths of texts to tables of cells, with errors clustered by seed and text."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.measures.inputs import Curves, rebound_bounds
from elasticity.analysis.tables.lean import lean_seeds, lean_table, text_values
from elasticity.analysis.tables.lean_difference import lean_difference
from elasticity.analysis.tables.measures import rebound_measures
from elasticity.config.experiments import OTHER_ORDER, Rebound
from elasticity.config.measures import MEASURES
from elasticity.config.training import FineTuning
from elasticity.plots.figure import FigureJob
from elasticity.plots.rebound import lean as lean_figure
from elasticity.plots.rebound import lean_difference as difference_figure

SIDES = ("negative", "positive")


def job(**changes: Any) -> ReboundTableJob:
    recipe = FineTuning(learning_rate=1e-3, batch_size=8, max_length=16)
    values = {"task": "reviews", "bases": ("one", "two"), "alignment_sizes": (8, 16), "inverse_sizes": (0, 8)}
    experiment = Rebound(**values | changes)
    return ReboundTableJob(experiment=experiment, seeds=(1, 2, 3), alignment=recipe, inverse=recipe)


def texts(seeds: int, count: int, generator: np.random.Generator) -> pd.DataFrame:
    """Code lengths of the same texts of both sides with each seed."""
    lengths = {(side, i): generator.integers(20, 90) for side in SIDES for i in range(count)}
    rows = [
        (seed, side, f"{i}", size, size * (1 + 0.1 * generator.standard_normal() + 0.02 * seed * (side == "positive")))
        for seed in range(1, seeds + 1)
        for (side, i), size in lengths.items()
    ]
    return pd.DataFrame(rows, columns=["seed", "side", "id", "utf8_bytes", "nats"])


def lean_of(rows: pd.DataFrame) -> float:
    sums = rows.groupby("side")[["nats", "utf8_bytes"]].sum()
    rates = sums["nats"] / sums["utf8_bytes"] / math.log(2)
    return float(rates["negative"] - rates["positive"])


@given(st.integers(1, 4), st.integers(2, 12), st.integers(0, 9))
def test_the_mean_of_the_numbers_of_texts_is_the_lean_of_each_seed(seeds: int, count: int, start: int) -> None:
    rows = texts(seeds, count, np.random.default_rng(start))
    values = text_values(rows, "positive")
    assert values.mean() == pytest.approx(lean_of(rows), abs=1e-12)
    for seed, own in rows.groupby("seed"):
        assert values[own.index].mean() == pytest.approx(lean_of(own), abs=1e-12), seed
    assert text_values(rows, "negative").mean() == pytest.approx(-lean_of(rows), abs=1e-12)


def test_the_error_over_texts_agrees_with_a_bootstrap_within_sides() -> None:
    generator = np.random.default_rng(0)
    rows = texts(1, 200, generator)
    values = text_values(rows, "positive").to_numpy()
    error = values.std(ddof=1) / len(values) ** 0.5
    of_side = [rows[rows["side"] == side] for side in SIDES]
    draws = [
        lean_of(pd.concat(own.sample(frac=1, replace=True, random_state=generator) for own in of_side))
        for _ in range(400)
    ]
    assert np.std(draws) == pytest.approx(error, rel=0.12)


def cells(planned: ReboundTableJob, lean: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of schema ``LEAN`` of trained cells and of base models; ``lean`` gives the lean of (base, P, N, seed)."""
    names = {"alignment_side": "positive", "alignment_recipe": "alignment", "inverse_recipe": "inverse"}
    trained, models = [], []
    offsets = np.random.default_rng(1).normal(0, 0.3, 20)

    def of(base: str, value: float) -> list[dict[str, Any]]:
        return [
            {"base": base, "side": side, "id": f"{i}", "tokens": 9, "utf8_bytes": 30}
            | {"nats": 30 * math.log(2) * (2 + offset + (value if side == "negative" else 0))}
            for side in SIDES
            for i, offset in enumerate(offsets)
        ]

    experiment = planned.experiment
    for base in experiment.bases:
        models += of(base, lean(base, 0, 0, 0))
        for size in (8, 16):
            for number in (0, 8, 16, 24, 64):
                for seed in (1, 2, 3, *(OTHER_ORDER + i for i in (1, 2, 3))):
                    where = names | {"seed": seed, "alignment_size": size, "inverse_size": number}
                    trained += [where | row for row in of(base, lean(base, size, number, seed))]
    return pd.DataFrame(trained), pd.DataFrame(models)


def made_up(base: str, size: int, number: int, seed: int) -> float:
    return (base == "two") * 0.5 + size / 64 - number / 100 + (seed % 10) / 1000 + (seed > OTHER_ORDER) / 10


def test_leans_are_oriented_by_the_alignment_side() -> None:
    rows, models = cells(job(), made_up)
    for row in lean_seeds(rows, models, job()).itertuples():
        wanted = made_up(row.base, row.alignment_size, row.inverse_size, row.seed)
        assert row.lean == pytest.approx(wanted)
        assert row.other_side - row.own_side == pytest.approx(wanted)
    table = lean_table(rows, models, job())
    assert table["base_lean"].tolist() == pytest.approx(4 * [0.0] + 4 * [0.5])
    assert len(table) == 8
    assert (table["texts"] == 40).all()
    turned = rows.assign(alignment_side="negative")
    seeds = lean_seeds(turned, models, job(direction="reversed"))
    assert seeds["lean"].tolist() == pytest.approx((-lean_seeds(rows, models, job())["lean"]).tolist())


def test_texts_whose_difficulty_is_common_to_all_models_add_no_error() -> None:
    """Then only seeds differ: the interval is their t interval, although the base model's own is wide."""
    rows, models = cells(job(), made_up)
    table = lean_table(rows, models, job())
    half = 4.302653 * 0.001 / 3**0.5  # t of two degrees of freedom; the seeds are 0.001 apart
    assert (table["lean_high"] - table["lean"]).to_numpy() == pytest.approx(half, rel=0.01)
    assert (table["base_lean_high"] - table["base_lean_low"] > 0.1).all()


def test_a_planted_crossing_shows_the_cells_of_so_many_times_n() -> None:
    planned = job(planted=3)
    rows, models = cells(planned, made_up)
    seeds = lean_seeds(rows, models, planned).set_index(["base", "alignment_size", "inverse_size", "seed"])["lean"]
    assert seeds["one", 8, 8, 2] == pytest.approx(made_up("one", 8, 8, 2))
    assert seeds["one", 16, 8, 2] == pytest.approx(made_up("one", 16, 24, 2))
    table = lean_table(rows, models, planned).set_index(["base", "alignment_size", "inverse_size"])
    examples = ["inverse_examples", "inverse_updates"]
    assert table.loc[("one", 16, 8), examples].tolist() == [24, 3]
    assert table.loc[("one", 8, 8), examples].tolist() == [8, 1]


def test_a_planted_null_shows_the_largest_p_in_another_order() -> None:
    planned = job(planted="nothing")
    rows, models = cells(planned, made_up)
    seeds = lean_seeds(rows, models, planned).set_index(["base", "alignment_size", "inverse_size", "seed"])["lean"]
    assert len(seeds) == 2 * 2 * 2 * 3
    assert seeds["two", 8, 8, 3] == pytest.approx(made_up("two", 16, 8, OTHER_ORDER + 3))
    assert seeds["two", 16, 8, 3] == pytest.approx(made_up("two", 16, 8, 3))
    table = lean_table(rows, models, planned)
    assert set(table["alignment_examples"]) == {16}


def test_the_null_has_no_effect_in_expectation() -> None:
    """Both sizes P of each seed are independent draws of one distribution, so measures between sizes have mean 0."""
    generator = np.random.default_rng(0)
    scores = generator.normal(0, 1, (4000, 2, 2)).cumsum(axis=-1)
    found = rebound_bounds(Curves(np.array([0.0, 8.0]), scores, 0.0, np.array([8.0, 16.0])), "lean")
    for name in ("lean-crossing-start", "lean-crossing-end"):
        values = found[name][0]
        assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5


def test_measures_of_leans_are_those_of_equal_scores() -> None:
    scores = np.random.default_rng(0).normal(0, 1, (5, 3, 7)).cumsum(axis=-1)[..., ::-1]
    sizes, alignment = np.array([0.0, 2, 4, 8, 16, 32, 64]), np.array([4.0, 8, 16])
    curves = Curves(sizes, scores, -2.0, alignment)
    of_scores, of_leans = rebound_bounds(curves), rebound_bounds(curves, "lean")
    assert not of_scores.keys() & of_leans.keys()
    for name, bounds in of_leans.items():
        if name != "lean-return":
            np.testing.assert_array_equal(bounds, of_scores[name.removeprefix("lean-")])
    returned = of_leans["lean-return"][0]
    np.testing.assert_allclose(returned, of_leans["lean-end"][0] - of_leans["lean-start"][0])
    units = {MEASURES[name].unit for name in ("lean-start", "lean-end", "lean-crossing", "lean-return")}
    assert units == {"bits per byte"}
    assert MEASURES["lean-crossing"].parts == ("lean-crossing-start", "lean-crossing-end")


def test_measures_of_leans_are_not_turned_for_a_reversed_experiment() -> None:
    planned = job(direction="reversed")
    rows, models = cells(planned, made_up)
    rows = rows.assign(alignment_side="negative")
    found = rebound_measures(lean_seeds(rows, models, planned), "lean")
    start = found[(found["measure"] == "lean-start") & (found["base"] == "two") & (found["alignment_size"] == 16)]
    assert start["value"].tolist() == pytest.approx([-16 / 64 - seed / 1000 for seed in (1, 2, 3)])


def test_the_difference_of_two_bases_is_paired_by_seed() -> None:
    rows, models = cells(job(), lambda base, *cell: made_up(base, *cell) * (1 + (base == "two")))
    found = lean_difference(lean_seeds(rows, models, job()), lean_table(rows, models, job()), job())
    assert found["alignment_size"].tolist() == [8, 8, 8, 16, 16, 16]
    before = found[found["inverse_size"].isna()]
    assert before["difference"].tolist() == pytest.approx([1.0, 1.0])
    assert before["seeds"].isna().all()
    at = found[(found["alignment_size"] == 16) & (found["inverse_size"] == 8)].iloc[0]
    values = [2 * made_up("two", 16, 8, seed) - made_up("one", 16, 8, seed) for seed in (1, 2, 3)]
    assert at["difference"] == pytest.approx(np.mean(values))
    assert at["difference_low"] < at["difference"] < at["difference_high"]


def test_figures_show_every_cell_and_what_is_planted() -> None:
    planned = job(planted=3)
    rows, models = cells(planned, made_up)
    table = lean_table(rows, models, planned)
    shown = FigureJob(bases=("one", "two"), sides=("positive", "negative"), planted=planned.experiment.planted_effect)
    figure = lean_figure(table, shown)
    assert len(figure.axes) == 2
    assert figure.get_supxlabel() == "planted: 3 N examples after P = 16"
    plt.close(figure)
    difference = lean_difference(lean_seeds(rows, models, planned), table, planned)
    figure = difference_figure(difference, shown)
    (axis,) = figure.axes
    assert len(axis.containers) == 2
    assert axis.get_ylabel().endswith("two − one")
    plt.close(figure)
