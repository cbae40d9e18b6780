import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elasticity.plots.figure import FigureJob
from elasticity.plots.realignment import realignment

BASES = ("nano", "big")
SIDES = ("positive", "negative")


def numbers(aligned: float = 0.9) -> pd.DataFrame:
    rows = []
    for base in BASES:
        for first in (8, 16):
            for third in (0, 8, 32):
                means = {"score": 0.4 + third / 100, "aligned": aligned}
                means["first_alignment"] = {0: 0.5, 8: 0.7}.get(third, float("nan"))
                bounds = {f"{name}_low": value - 0.05 for name, value in means.items()}
                bounds |= {f"{name}_high": value + 0.05 for name, value in means.items()}
                rows.append({"base": base, "alignment_size": first, "realignment_size": third} | means | bounds)
    return pd.DataFrame(rows)


def named(figure: Figure, panel: int = 0) -> dict[str, list[float]]:
    """The lines in the legend, with the heights of their points."""
    handles, labels = figure.axes[panel].get_legend_handles_labels()
    lines = [getattr(handle, "lines", (handle,))[0] for handle in handles]
    return {label: list(line.get_ydata()) for label, line in zip(labels, lines, strict=True)}


def ticks(axis: Axes) -> list[str]:
    return [tick.get_text() for tick in axis.get_xticklabels()]


def test_lines_the_base_and_its_first_alignment() -> None:
    figure = realignment(numbers(), FigureJob(bases=BASES, sides=SIDES, score="share classified positive"))
    assert [axis.get_title() for axis in figure.axes] == list(BASES)
    for panel in (0, 1):
        found = named(figure, panel)
        assert found["P = 8 positive"] == pytest.approx([0.4, 0.48, 0.72])
        assert found["base model's first alignment"] == [0.5, 0.7]
        assert set(found["base model"]) == {0.5}
        assert ticks(figure.axes[panel]) == ["aligned", "0", "8", "32"]
    assert figure.axes[0].get_ylabel() == "share classified positive"
    assert figure.axes[0].get_xlabel() == "positive examples of the realignment stage"
    marked = [line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata()[0] for line in marked] == [0.9, 0.9]


def test_without_cells_before_the_inverse_stage() -> None:
    table = numbers(float("nan"))
    table.loc[table["realignment_size"] > 0, ["first_alignment"]] = float("nan")
    figure = realignment(table[table["base"] == "nano"], FigureJob(bases=("nano",), sides=SIDES, score="score"))
    assert ticks(figure.axes[0]) == ["0", "8", "32"]
    assert list(named(figure)) == ["base model", "P = 8 positive", "P = 16 positive"]
