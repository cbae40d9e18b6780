"""Figures of springs in series: what stands where."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from elasticity.analysis.springs import spring_seeds, spring_table
from elasticity.plots.figure import FigureJob
from elasticity.plots.springs import spring_law, springs
from elasticity.plots.style import MARKERS, save
from tests.unit.analysis.test_springs import series, tables

DRAWN = FigureJob(bases=("base-1000", "base-8000"))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return spring_table(spring_seeds(*tables(series, seeds=(1, 2, 3), noise=0.1, d1s=(1000, 8000))))


@pytest.mark.parametrize("draw", [springs, spring_law])
def test_the_same_bytes_twice(tmp_path: Path, table: pd.DataFrame, draw: Any) -> None:
    paths = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in paths:
        save(draw(table, DRAWN), [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_panel_for_each_base_and_way_of_training(table: pd.DataFrame) -> None:
    figure = springs(table, DRAWN)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [f"{base}, {way} training" for base in DRAWN.bases for way in ("sequential", "joint")]
    assert {axis.get_xlabel() for axis in figure.axes[2:]} == {"l = |D3| / |D2|, in tokens"}
    legend = figure.axes[1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["P = 100\nk = 2", "P = 200\nk = 1", "P = 400\nk = 0.5"]
    plt.close(figure)
    alone = springs(table[table["training"] == "sequential"], DRAWN)
    assert len(alone.axes) == 2
    plt.close(alone)


def test_forces_in_series_lie_on_the_dashed_line(table: pd.DataFrame) -> None:
    """Their markers, from the container of each error bar: the first line that is not a guide."""
    figure = spring_law(table, DRAWN)
    right = figure.axes[1]
    points = [container.lines[0].get_xydata() for container in right.containers]
    assert len(points) == 2 * 3
    for point in points:
        xy = np.asarray(point)
        np.testing.assert_allclose(xy[:, 1], -xy[:, 0])
    plt.close(figure)


def test_there_may_be_more_sizes_than_markers() -> None:
    lengths, amounts = tables(series, seeds=(1, 2))
    copies = [[rows.assign(alignment_size=rows["alignment_size"] + i) for rows in (lengths, amounts)] for i in range(3)]
    per_seed = spring_seeds(*(pd.concat(rows) for rows in zip(*copies, strict=True)))
    assert per_seed["alignment_size"].nunique() == 9 > len(MARKERS)
    for draw in (springs, spring_law):
        figure = draw(spring_table(per_seed), FigureJob(bases=("base-8000",)))
        legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
        names = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
        assert sum(name.startswith("P = ") for name in names) == 9
        plt.close(figure)


@pytest.mark.filterwarnings("ignore:Data has no positive values")
def test_what_does_not_move_is_drawn(tmp_path: Path) -> None:
    table = spring_table(spring_seeds(*tables(lambda *_: 0.0)))
    for draw in (springs, spring_law):
        save(draw(table, FigureJob(bases=("base-8000",))), [tmp_path / "still.svg"])
