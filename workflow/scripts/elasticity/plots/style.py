"""The style of all figures: labelled with units, legible in grey and at column width, equal bytes for equal numbers."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_IN, PAGE_IN = 3.4, 7.0
"""Widths of a column and of a page of a two-column paper, in inches."""


MARKERS = "osD^vPX"


LINE_SHIFT = 0.08
"""Horizontal distance of the lines of a panel, in steps of N."""


POINTS_PER_INCH = 72


LABEL_GAP = 3.0
"""Least distance of two labels of one axis, in points: closer labels look like one number."""


PLACES = 6
"""Decimals of the places of axes, in parts of the figure: less than anybody sees."""


def use_style() -> None:
    """Set the style of a paper, and remove everything random or dated from the files."""
    import matplotlib as mpl
    import seaborn as sns

    mpl.use("Agg")
    sns.set_theme(context="paper", style="ticks", palette="colorblind")
    mpl.rcParams.update({"svg.hashsalt": "elasticity", "savefig.dpi": 200, "pdf.fonttype": 42, "font.size": 8})
    mpl.rcParams.update({"axes.titlesize": 8, "axes.labelsize": 8, "legend.fontsize": 7, "legend.title_fontsize": 7})


def save(figure: "Figure", paths: Sequence[Path]) -> None:
    """Write the figure in the format of each path's suffix, without dates, and close it."""
    from matplotlib import pyplot as plt

    _settle(figure)
    undated: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    for path in paths:
        figure.savefig(path, bbox_inches="tight", metadata=undated.get(path.suffix))
    plt.close(figure)


def _settle(figure: "Figure") -> None:
    """Lay the figure out, and round the places of its axes to what is visible.

    The solver of constrained layout takes its constraints in an order that differs between processes, and with it the
    last digits of places. The names of clip paths in an SVG file are digests of these digits.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        left, bottom, width, height = (round(place, PLACES) for place in axis.get_position().bounds)
        axis.set_position((left, bottom, width, height))


def lines(axis: "Axes", panel: "pd.DataFrame", value: str, alignment_side: str, against: str = "inverse_size") -> None:
    """Draw one line with intervals for each P against evenly spaced sizes.

    The lines are set a little apart so that their intervals can be told from one another.
    """
    import seaborn as sns

    sizes = sorted(panel["alignment_size"].unique())
    ticks = sorted(panel[against].unique())
    for place, (size, colour) in enumerate(zip(sizes, sns.color_palette("crest", len(sizes)), strict=True)):
        line = panel[panel["alignment_size"] == size].sort_values(against)
        shift = LINE_SHIFT * (place - (len(sizes) - 1) / 2)
        axis.errorbar(
            [ticks.index(n) + shift for n in line[against]],
            line[value],
            yerr=errors(line, value),
            color=colour,
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            linewidth=1.2,
            elinewidth=0.8,
            capsize=2,
            label=f"P = {size} {alignment_side}",
        )
    ticks_with_room(axis, range(len(ticks)), [str(tick) for tick in ticks])
    sns.despine(ax=axis)


def base_line(axis: "Axes", height: float, band: tuple[float, float] | None = None) -> None:
    """Draw the dashed line of the base model, before any fine-tuning, in a grey ``band`` from its lower to upper bound.

    A band whose bounds are missing is left out.
    """
    axis.axhline(height, color="black", linestyle=(0, (4, 3)), linewidth=1, label="base model")
    if band and not math.isnan(band[0]):
        axis.axhspan(*band, color="black", alpha=0.12, linewidth=0, zorder=0)


def legend_above(figure: "Figure", axis: "Axes", columns: int | None = None) -> None:
    """Put the legend of one panel above all panels, in one row unless ``columns`` is given."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns or len(labels), frameon=False)


def ticks_with_room(axis: "Axes", places: Sequence[float], labels: Sequence[str]) -> None:
    """Put a tick on the horizontal axis at each place, with its label where that does not overlap another label.

    The width of a panel is known only when the figure is laid out, so labels are chosen whenever ticks are drawn.
    """
    from matplotlib.ticker import Formatter

    class LabelsWithRoom(Formatter):
        """The labels of all ticks, empty where there is no room."""

        def __call__(self, x: float, pos: int | None = None) -> str:
            """The label of a single tick."""
            return "" if pos is None else labels[pos]

        def format_ticks(self, values: Sequence[float]) -> list[str]:
            """The labels of all ticks."""
            return _with_room(axis, values, labels)

    axis.set_xticks(places)
    axis.xaxis.set_major_formatter(LabelsWithRoom())


def _with_room(panel: "Axes", places: Sequence[float], labels: Sequence[str]) -> list[str]:
    """The labels that have room, first those of both ends, then the others from the right; the others are empty."""
    from matplotlib.textpath import text_to_path

    font = panel.xaxis.get_major_ticks(1)[0].label1.get_fontproperties()
    widths = [text_to_path.get_text_width_height_descent(label, font, ismath=False)[0] for label in labels]
    pixels = panel.get_xaxis_transform().transform([(x, 0) for x in places])[:, 0]
    centres = pixels * POINTS_PER_INCH / panel.figure.dpi
    kept: list[int] = []
    for i in dict.fromkeys((0, *reversed(range(len(places))))):
        if all(abs(centres[i] - centres[j]) >= (widths[i] + widths[j]) / 2 + LABEL_GAP for j in kept):
            kept.append(i)
    return [label if i in kept else "" for i, label in enumerate(labels)]


def errors(rows: "pd.DataFrame", value: str) -> Any:
    """Distances from the mean to the bounds of the interval, shape (2, rows)."""
    return [rows[value] - rows[f"{value}_low"], rows[f"{value}_high"] - rows[value]]
