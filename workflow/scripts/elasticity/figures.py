"""Figures: labelled with units, legible in grey and at column width, the same bytes for the same numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import text_to_path
from matplotlib.ticker import Formatter

COLUMN_IN, PAGE_IN = 3.4, 7.0
"""Widths of a column and of a page of a two-column paper, in inches."""

MARKERS = "osD^vPX"

LINE_SHIFT = 0.08
"""Horizontal distance of the lines of a panel, in steps of N."""

POINTS_PER_INCH = 72

LABEL_GAP = 3.0
"""Least distance of two labels of one axis, in points: less looks like one number."""


def use_style() -> None:
    """Paper style; and nothing random or dated in the files."""
    mpl.use("Agg")
    sns.set_theme(context="paper", style="ticks", palette="colorblind")
    mpl.rcParams.update({"svg.hashsalt": "elasticity", "savefig.dpi": 200, "pdf.fonttype": 42, "font.size": 8})
    mpl.rcParams.update({"axes.titlesize": 8, "axes.labelsize": 8, "legend.fontsize": 7, "legend.title_fontsize": 7})


def save(figure: Figure, paths: Sequence[Path]) -> None:
    """Write the figure in the format of each path's suffix, without dates."""
    undated: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    for path in paths:
        figure.savefig(path, bbox_inches="tight", metadata=undated.get(path.suffix))
    plt.close(figure)


def rebound(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str], score: str) -> Figure:
    """Score against N: a panel for each base model, a line for each P, the base model dashed."""
    references = table.groupby("base")["base_score"].first()
    return _against_second_size(table, bases, sides, "score", score, {base: references[base] for base in bases})


def divergence(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str]) -> Figure:
    """KL from the base model against N, laid out as ``rebound``; the base model itself is at 0."""
    label = "KL from the base model,\nnats per token"
    return _against_second_size(table, bases, sides, "kl", label, dict.fromkeys(bases, 0.0))


def _against_second_size(
    table: pd.DataFrame,
    bases: Sequence[str],
    sides: tuple[str, str],
    value: str,
    label: str,
    references: Mapping[str, float],
) -> Figure:
    use_style()
    width = COLUMN_IN if len(bases) == 1 else PAGE_IN
    figure, axes = plt.subplots(1, len(bases), figsize=(width, 2.6), sharey=True, squeeze=False, layout="constrained")
    for axis, base in zip(axes[0], bases, strict=True):
        lines(axis, table[table["base"] == base], value, sides[0])
        base_line(axis, references[base])
        axis.set(xlabel=f"N, {sides[1]} examples", title=base if len(bases) > 1 else "")
    axes[0, 0].set_ylabel(label)
    legend_above(figure, axes[0, 0], 2 if len(bases) == 1 else None)
    return figure


def lines(axis: Axes, panel: pd.DataFrame, value: str, first_side: str, against: str = "second_size") -> None:
    """Sizes evenly spaced, lines set a little apart so that their intervals can be told from one another."""
    sizes = sorted(panel["first_size"].unique())
    ticks = sorted(panel[against].unique())
    for place, (size, colour) in enumerate(zip(sizes, sns.color_palette("crest", len(sizes)), strict=True)):
        line = panel[panel["first_size"] == size].sort_values(against)
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
            label=f"P = {size} {first_side}",
        )
    ticks_with_room(axis, range(len(ticks)), [str(tick) for tick in ticks])
    sns.despine(ax=axis)


def base_line(axis: Axes, height: float) -> None:
    """What a panel's lines are compared with: the base model, before any fine-tuning."""
    axis.axhline(height, color="black", linestyle=(0, (4, 3)), linewidth=1, label="base model")


def legend_above(figure: Figure, axis: Axes, columns: int | None = None) -> None:
    """What is drawn in one panel, for all of them; in one row unless ``columns`` are given."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns or len(labels), frameon=False)


def ticks_with_room(axis: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
    """A tick on the horizontal axis at each place; its label only where that does not run into another."""
    axis.set_xticks(places)
    axis.xaxis.set_major_formatter(_LabelsWithRoom(axis, labels))


class _LabelsWithRoom(Formatter):
    """One label a tick, empty where there is no room: the ends come first, then the others from the right.

    How wide a panel is, is known only when the figure is laid out, so labels are chosen whenever ticks are drawn.
    """

    def __init__(self, panel: Axes, labels: Sequence[str]) -> None:
        self.panel, self.labels = panel, labels

    def __call__(self, x: float, pos: int | None = None) -> str:
        """The label of a tick by itself."""
        return "" if pos is None else self.labels[pos]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """The labels of all ticks."""
        font = self.panel.xaxis.get_major_ticks(1)[0].label1.get_fontproperties()
        widths = [text_to_path.get_text_width_height_descent(label, font, ismath=False)[0] for label in self.labels]
        pixels = self.panel.get_xaxis_transform().transform([(x, 0) for x in values])[:, 0]
        centres = pixels * POINTS_PER_INCH / self.panel.figure.dpi
        kept: list[int] = []
        for i in dict.fromkeys((0, *reversed(range(len(values))))):
            if all(abs(centres[i] - centres[j]) >= (widths[i] + widths[j]) / 2 + LABEL_GAP for j in kept):
                kept.append(i)
        return [label if i in kept else "" for i, label in enumerate(self.labels)]


def resistance(table: pd.DataFrame, per_seed: pd.DataFrame, base: str) -> Figure:
    """Forward against inverse for each pair: training loss, cross-entropy, the target's own entropy, and KL twice."""
    use_style()
    panels = {
        "training_loss": "training loss",
        "cross_entropy": "cross-entropy H",
        "own_entropy": "target's own H(p)",
        "kl": "KL as H − H(p)",
        "kl_exact": "KL, exact",
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(PAGE_IN, 2.4), layout="constrained")
    for axis, (value, title) in zip(axes, panels.items(), strict=True):
        for place, direction in enumerate(("forward", "inverse")):
            _direction(axis, table[table["base"] == base], per_seed[per_seed["base"] == base], value, direction, place)
        axis.set(title=title, xlabel="pair of slices")
        axis.margins(x=0.15)
        sns.despine(ax=axis)
    axes[0].set_ylabel("nats per token")
    legend_above(figure, axes[0])
    return figure


def _direction(axis: Axes, table: pd.DataFrame, per_seed: pd.DataFrame, value: str, direction: str, place: int) -> None:
    """Means with intervals, and a small dot for every seed."""
    colour = sns.color_palette()[place]
    rows = table[table["direction"] == direction].sort_values("pair")
    positions = {pair: i + (place - 0.5) * 0.3 for i, pair in enumerate(rows["pair"])}
    seeds = per_seed[per_seed["direction"] == direction]
    axis.plot(seeds["pair"].map(positions), seeds[value], ".", color=colour, alpha=0.5, markersize=3)
    axis.errorbar(
        list(positions.values()),
        rows[value],
        yerr=errors(rows, value),
        color=colour,
        marker=MARKERS[place],
        linestyle="",
        markersize=5,
        markerfacecolor=colour if place else "white",
        elinewidth=0.9,
        capsize=2,
        label=direction,
    )
    axis.set_xticks(range(len(positions)), [pair.replace("-", ", ") for pair in positions])


def errors(rows: pd.DataFrame, value: str) -> Any:
    """Distances from the mean to the bounds of the interval, shape (2, rows)."""
    return [rows[value] - rows[f"{value}_low"], rows[f"{value}_high"] - rows[value]]
