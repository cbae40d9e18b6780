"""Leans: from code lengths of the texts of each seed to tables of cells, measures and figures."""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.measures.inputs import Curves, rebound_bounds
from elasticity.analysis.tables.lean import lean_seeds, lean_table
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


def cells(planned: ReboundTableJob, lean: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of schema ``LEAN`` of trained cells and of base models; ``lean`` gives the lean of (base, P, N, seed).

    Each seed has 20 texts of each side, whose difficulty is the same for all models.
    """
    names = {"alignment_side": "positive", "alignment_recipe": "alignment", "inverse_recipe": "inverse"}
    trained, models = [], []
    offsets = np.random.default_rng(1).normal(0, 0.3, (4, 20))

    def of(base: str, value: float, block: int) -> list[dict[str, Any]]:
        return [
            {"base": base, "side": side, "id": f"{block} {i}", "tokens": 9, "utf8_bytes": 30}
            | {"nats": 30 * math.log(2) * (2 + offset + (value if side == "negative" else block / 8))}
            for side in SIDES
            for i, offset in enumerate(offsets[block])
        ]

    experiment = planned.experiment
    for base in experiment.bases:
        for seed in (0, 1, 2, 3):
            models += of(base, lean(base, 0, 0, 0), seed)
        for size in (8, 16):
            for number in (0, 8, 16, 24, 64):
                for seed in (1, 2, 3, *(OTHER_ORDER + i for i in (1, 2, 3))):
                    where = names | {"seed": seed, "alignment_size": size, "inverse_size": number}
                    trained += [where | row for row in of(base, lean(base, size, number, seed), seed % OTHER_ORDER)]
    return pd.DataFrame(trained), pd.DataFrame(models).assign(seed=np.nan)


def made_up(base: str, size: int, number: int, seed: int) -> float:
    return (base == "two") * 0.5 + size / 64 - number / 100 + (seed % 10) / 1000 + (seed > OTHER_ORDER) / 10


def by_cell(rows: pd.DataFrame, column: str = "lean") -> "pd.Series[float]":
    return rows.set_index(["base", "alignment_size", "inverse_size", "seed"])[column]


def test_leans_are_oriented_by_the_alignment_side_and_compared_on_the_texts_of_their_seed() -> None:
    rows, models = cells(job(), made_up)
    seeds = lean_seeds(rows, models, job())
    assert len(seeds) == 2 * 2 * 2 * 3
    for row in seeds.itertuples():
        wanted = made_up(row.base, row.alignment_size, row.inverse_size, row.seed)
        assert row.lean == pytest.approx(wanted - row.seed / 8)
        assert row.base_lean == pytest.approx(0.5 * (row.base == "two") - row.seed / 8)
        assert row.other_side - row.own_side == pytest.approx(row.lean)
        assert row.texts == 40
    turned = lean_seeds(rows.assign(alignment_side="negative"), models, job(direction="reversed"))
    for column in ("lean", "base_lean"):
        assert turned[column].tolist() == pytest.approx((-seeds[column]).tolist())


def test_the_interval_is_of_the_distance_from_the_base_model() -> None:
    """The texts of seeds differ by 1/8 in their leans, which all models have in common: only 0.001 a seed is left."""
    rows, models = cells(job(), made_up)
    table = lean_table(lean_seeds(rows, models, job()), job())
    assert len(table) == 8
    assert (table["texts"] == 120).all()
    assert table["base_lean"].tolist() == pytest.approx(4 * [-0.25] + 4 * [0.25])
    half = 4.302653 * 0.001 / 3**0.5  # t of two degrees of freedom
    for bound, sign in (("lean_low", -1), ("lean_high", 1)):
        assert (table[bound] - table["lean"]).to_numpy() == pytest.approx(sign * half, rel=0.01)
    first = table.iloc[0]
    assert first["lean"] - first["base_lean"] == pytest.approx(8 / 64 + 0.002)


def test_a_planted_crossing_shows_the_cells_of_so_many_times_n() -> None:
    planned = job(planted=3)
    rows, models = cells(planned, made_up)
    seeds = lean_seeds(rows, models, planned)
    moved = by_cell(seeds) - by_cell(seeds, "base_lean")
    assert moved["one", 8, 8, 2] == pytest.approx(made_up("one", 8, 8, 2))
    assert moved["one", 16, 8, 2] == pytest.approx(made_up("one", 16, 24, 2))
    table = lean_table(seeds, planned).set_index(["base", "alignment_size", "inverse_size"])
    examples = ["inverse_examples", "inverse_updates"]
    assert table.loc[("one", 16, 8), examples].tolist() == [24, 3]
    assert table.loc[("one", 8, 8), examples].tolist() == [8, 1]


def test_a_planted_null_shows_the_largest_p_in_another_order() -> None:
    planned = job(planted="nothing")
    rows, models = cells(planned, made_up)
    seeds = lean_seeds(rows, models, planned)
    moved = by_cell(seeds) - by_cell(seeds, "base_lean")
    assert len(moved) == 2 * 2 * 2 * 3
    assert moved["one", 8, 8, 3] == pytest.approx(made_up("one", 16, 8, OTHER_ORDER + 3))
    assert moved["one", 16, 8, 3] == pytest.approx(made_up("one", 16, 8, 3))
    assert set(lean_table(seeds, planned)["alignment_examples"]) == {16}


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


def test_measures_of_leans_are_not_turned_and_compare_with_the_base_model_of_each_seed() -> None:
    planned = job(direction="reversed")
    rows, models = cells(planned, made_up)
    seeds = lean_seeds(rows.assign(alignment_side="negative"), models, planned)
    found = rebound_measures(seeds, "lean")
    start = found[(found["measure"] == "lean-start") & (found["base"] == "two") & (found["alignment_size"] == 16)]
    assert start["value"].tolist() == pytest.approx([-16 / 64 - seed / 1000 for seed in (1, 2, 3)])


def test_the_difference_of_two_bases_is_paired_by_seed() -> None:
    rows, models = cells(job(), lambda base, *cell: made_up(base, *cell) * (1 + (base == "two")))
    found = lean_difference(lean_seeds(rows, models, job()), job())
    assert found["alignment_size"].tolist() == [8, 8, 8, 16, 16, 16]
    assert (found["seeds"] == 3).all()
    before = found[found["inverse_size"].isna()]
    assert before["difference"].tolist() == pytest.approx([1.0, 1.0])
    at = found[(found["alignment_size"] == 16) & (found["inverse_size"] == 8)].iloc[0]
    values = [2 * made_up("two", 16, 8, seed) - made_up("one", 16, 8, seed) for seed in (1, 2, 3)]
    assert at["difference"] == pytest.approx(np.mean(values))
    assert at["difference_low"] < at["difference"] < at["difference_high"]


def test_figures_show_every_cell_and_what_is_planted() -> None:
    planned = job(planted=3)
    rows, models = cells(planned, made_up)
    seeds = lean_seeds(rows, models, planned)
    table = lean_table(seeds, planned)
    shown = FigureJob(bases=("one", "two"), sides=("positive", "negative"), planted=planned.experiment.planted_effect)
    figure = lean_figure(table, shown)
    assert len(figure.axes) == 2
    assert figure.get_supxlabel() == "planted: 3 N examples after P = 16"
    plt.close(figure)
    figure = difference_figure(lean_difference(seeds, planned), shown)
    (axis,) = figure.axes
    assert len(axis.containers) == 2
    assert axis.get_ylabel().endswith("two − one")
    plt.close(figure)
