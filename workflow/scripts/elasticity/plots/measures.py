"""The figure of measures: a small panel for each, with every seed in it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from elasticity.analysis.measures_table import measures_summary
from elasticity.config.claims import UNITS
from elasticity.plots.style import COLUMN_IN, MARKERS, errors, use_style

PANELS = {
    "start": "start: above base at N = 0",
    "end": "end: above base at last N",
    "crossing": "crossing",
    "reversal-ratio": "reversal ratio",
    "initial-rate": "initial rate",
    "two-phase": "two phases against one",
    "area": "area: mean depth",
    "overshoot": "overshoot: deepest",
    "matched-fall": "fall from matched start",
    "kl-gap": "KL, forward − inverse",
    "entropy-gap": "H(p), forward − inverse",
    "cross-entropy-gap": "H, forward − inverse",
    "training-loss-gap": "loss, forward − inverse",
}
"""Titles; both parts of the crossing are in one panel."""


SHOWN_UNITS = UNITS | {"reversal-ratio": "log2(N_base / P)", "initial-rate": "share per example"}
"""Of the vertical axes; two differ from those of claims, to fit a small panel and the caption."""


GROUP_WIDTH = 0.7
"""Of all base models at one P or pair, in steps of the axis."""


def measures(table: pd.DataFrame, bases: Sequence[str]) -> Figure:
    """A panel for each measure that could be computed: seeds, and their mean with its interval, by P or pair.

    ``table`` is a measures table. Colour and marker tell base models apart; a triangle is a bound.
    """
    use_style()
    panels = {name: rows for name in PANELS if (rows := _panel(table, name))["value"].notna().any()}
    height = -(-max(len(panels), 1) // 2)
    figure, axes = plt.subplots(
        *(height, 2), figsize=(COLUMN_IN, 0.5 + 1.3 * height), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (name, rows) in zip(axes.flat, panels.items(), strict=False):
        places = list(dict.fromkeys(rows["place"]))
        width = GROUP_WIDTH / len(bases)
        for (place, base), cell in rows.groupby(["place", "base"]):
            number = bases.index(base)
            x = places.index(place) + (number + 0.5) * width - GROUP_WIDTH / 2
            _cell(axis, cell, x, width, number)
        axis.axhline(0, color="black", linewidth=0.6, zorder=0)
        axis.set_xticks(range(len(places)), places)
        axis.set_xlim(-0.5, len(places) - 0.5)
        axis.set_title(PANELS[name], fontsize=7)
        axis.set_xlabel(_what(rows), fontsize=7, labelpad=1)
        axis.set_ylabel(SHOWN_UNITS[name], fontsize=7)
        axis.tick_params(labelsize=6.5)
        sns.despine(ax=axis)
    figure.legend(handles=_keys(table, bases), loc="outside upper center", ncols=2, frameon=False)
    return figure


def _panel(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of a panel, and what stands below the axis where they are."""
    if name == "crossing":
        rows = table[table["measure"].str.startswith("crossing-")]
        return rows.assign(place=rows["measure"].str.removeprefix("crossing-"))
    rows = table[table["measure"] == name]
    return rows.assign(place=rows["alignment_size"].astype(str).where(rows["alignment_size"].notna(), rows["pair"]))


def _what(rows: pd.DataFrame) -> str:
    return "P" if rows["alignment_size"].notna().any() else "pair of slices" if rows["pair"].notna().any() else ""


def _cell(axis: Axes, rows: pd.DataFrame, x: float, width: float, number: int) -> None:
    """The seeds of a base model from the left to x, their mean and its interval to the right; no mean of bounds."""
    colour, marker = sns.color_palette()[number % 10], MARKERS[number % len(MARKERS)]
    points = rows.sort_values("seed").assign(x=x + np.linspace(-0.35, 0.05, len(rows)) * width)
    at_least, at_most = np.isinf(points["high"]), np.isinf(points["low"])
    for mark, face, which in ((".", colour, ~at_least & ~at_most), ("^", "none", at_least), ("v", "none", at_most)):
        seeds = points[which]
        axis.plot(seeds["x"], seeds["value"], mark, color=colour, markerfacecolor=face, markersize=3.5, mew=0.7)
    mean = measures_summary(rows)
    axis.errorbar(
        [x + 0.3 * width],
        mean["mean"],
        yerr=errors(mean, "mean"),
        color=colour,
        marker=marker,
        markersize=3.5,
        markeredgecolor="black",
        markeredgewidth=0.4,
        elinewidth=0.9,
        capsize=1.5,
    )


def _keys(table: pd.DataFrame, bases: Sequence[str]) -> list[Line2D]:
    """Base models, if there are several; what a dot is, and a triangle, if there are any."""
    style: dict[str, Any] = {"linestyle": "", "markersize": 4}
    names = bases if len(bases) > 1 else ["mean, 95 % t interval"]
    keys = [
        Line2D([], [], color=sns.color_palette()[i % 10], marker=MARKERS[i % len(MARKERS)], label=name, **style)
        for i, name in enumerate(names)
    ]
    keys.append(Line2D([], [], color="grey", marker=".", label="a seed", **style))
    for column, mark, words in (("high", "^", "a seed: at least"), ("low", "v", "a seed: at most")):
        if np.isinf(table[column]).any():
            keys.append(Line2D([], [], color="grey", marker=mark, markerfacecolor="none", label=words, **style))
    return keys
