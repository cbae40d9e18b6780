"""The figure of the elasticity theorem: what it says, what follows, and by how much."""

from itertools import cycle

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from elasticity.analysis.theorem import Normalisation, Reading
from elasticity.plots.style import MARKERS, PAGE_IN, use_style

PUBLISHED: dict[Normalisation, str] = {"difference": "D1 < 0, D2 > 0", "ratio": "D1 > 0, D2 > 0"}
"""The signs that the paper's versions print."""


AXES: dict[Normalisation, str] = {
    "difference": "dγ/dl, nats a leaf\n← better   D3 makes it   worse →",
    "ratio": "dγ/dl, a ratio of rates",
}
"""The ratio is of two negative numbers where codes save bits: it does not tell better from worse."""


PANELS: tuple[tuple[str, Reading, Normalisation], ...] = (
    ("ACL: γ − log M, D3 independent", "independent", "difference"),
    ("first version: ratio, D3 independent", "independent", "ratio"),
    ("ACL: γ − log M, D3 distributed as D1", "pretraining", "difference"),
)


def theory(table: pd.DataFrame) -> Figure:
    """dγ1/dl and dγ2/dl against k for three readings, and their ratio, at the smallest l of a ``theory_table``."""
    use_style()
    figure, axes = plt.subplots(2, 2, figsize=(PAGE_IN, 5.2), layout="constrained")
    limit = table[table["l"] == table["l"].min()]
    for axis, (title, reading, normalisation) in zip(axes.flat, PANELS, strict=False):
        rows = limit[(limit["perturbation"] == reading) & (limit["normalisation"] == normalisation)]
        _slopes(axis, rows, PUBLISHED[normalisation])
        axis.set(title=title, ylabel=AXES[normalisation])
    _ratios(axes[1, 1], limit)
    for axis in axes.flat:
        axis.set(xscale="log", xlabel="k = |D1| / |D2|")
        sns.despine(ax=axis)
    figure.legend(handles=_keys(table), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _slopes(axis: Axes, rows: pd.DataFrame, printed: str) -> None:
    """The axis is logarithmic on both sides of 0."""
    for place, (corpus, of_corpus) in enumerate(rows.groupby("corpus", sort=True)):
        colour = sns.color_palette()[place]
        for mark, (_, line) in zip(cycle(MARKERS), of_corpus.groupby("alpha", sort=True), strict=False):
            axis.plot(line["k"], line["slope"], color=colour, linewidth=1.2)
            axis.plot(line["k"], line["expanded"], color=colour, linewidth=0.8, linestyle=(0, (4, 3)))
            bars = 1.96 * line["standard_error"]
            axis.errorbar(line["k"], line["sampled"], bars, fmt=mark, color=colour, markersize=3.5, elinewidth=0.8)
        last = of_corpus.sort_values("k").iloc[-1]
        side = "above" if last["slope"] > 0 else "below"
        axis.annotate(
            str(corpus),
            (last["k"], last["slope"]),
            xytext=(6, 4 if side == "above" else -8),
            textcoords="offset points",
            color=colour,
        )
    smallest, largest = (
        int(np.floor(np.log10(size))) for size in (rows["slope"].abs().min(), rows["slope"].abs().max())
    )
    axis.set_yscale("symlog", linthresh=10.0**smallest, linscale=0.5)
    decades = 10.0 ** np.arange(largest, smallest, -2)
    axis.yaxis.set_major_locator(ticker.FixedLocator([*-decades, 0, *decades[::-1]]))
    axis.axhline(0, color="black", linewidth=0.8)
    axis.margins(x=0.12, y=0.12)
    signs = f"printed: {printed}\nfound: {_signs(rows)}"
    axis.text(0.98, 1, signs, transform=axis.transAxes, ha="right", va="top", fontsize=7)


def _signs(rows: pd.DataFrame) -> str:
    """Of each corpus over all α and k."""
    told = []
    for corpus, slopes in rows.groupby("corpus", sort=True)["slope"]:
        told.append(f"{corpus} > 0" if slopes.min() > 0 else f"{corpus} < 0" if slopes.max() < 0 else f"{corpus} both")
    return ", ".join(told)


def _ratios(axis: Axes, limit: pd.DataFrame) -> None:
    """By size against k, filled where both derivatives have one sign."""
    for place, (_, reading, normalisation) in enumerate(PANELS):
        rows = limit[(limit["perturbation"] == reading) & (limit["normalisation"] == normalisation)]
        grey, size = str(0.6 * place / (len(PANELS) - 1)), 7 - 2 * place
        for _, line in rows[rows["corpus"] == "D1"].groupby("alpha", sort=True):
            axis.plot(line["k"], line["over_first"].abs(), color=grey, linewidth=1)
            for k, ratio in zip(line["k"], line["over_first"], strict=True):
                face = grey if ratio > 0 else "white"
                axis.plot(k, abs(ratio), MARKERS[place], color=grey, markerfacecolor=face, markersize=size)
    sizes = limit["k"].unique()
    axis.plot(sizes, sizes, color="black", linestyle=(0, (1, 2)), linewidth=1.5)
    axis.set(yscale="log", ylabel="|dγ2/dl| over |dγ1/dl|", title="ratio; filled: same sign, open: opposite signs")
    axis.margins(y=0.15)
    told = "dotted: printed, k\ncircles: ACL, D3 independent\ndiamonds: ACL, D3 as D1"
    axis.text(0.02, 0.98, told, transform=axis.transAxes, va="top", fontsize=7)
    told = "squares: first version,\nD3 independent"
    axis.text(0.02, 0.02, told, transform=axis.transAxes, va="bottom", fontsize=7)


def _keys(table: pd.DataFrame) -> list[Line2D]:
    keys = [
        Line2D([], [], color=sns.color_palette()[0], label="D1, pre-training"),
        Line2D([], [], color=sns.color_palette()[1], label="D2, alignment"),
        Line2D([], [], color="grey", label="quadrature"),
        Line2D([], [], color="grey", linestyle=(0, (4, 3)), linewidth=0.8, label="leading order, large k"),
    ]
    for mark, alpha in zip(cycle(MARKERS), sorted(table["alpha"].unique()), strict=False):
        keys.append(Line2D([], [], color="grey", marker=mark, linestyle="", label=f"Monte Carlo, α = {alpha:g}"))
    return keys
