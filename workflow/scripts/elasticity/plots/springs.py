"""Figures of the springs: what a perturbation does to each corpus, and the law that the theorem makes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from elasticity.analysis.springs import CORPORA
from elasticity.plots.style import MARKERS, PAGE_IN, errors, ticks_with_room, use_style

DASHES = dict(zip(CORPORA, ((), (5, 2), (1, 1.5)), strict=True))
"""Of the lines of a corpus, beside its colour; those of different P have different markers."""


GUIDES: Mapping[str, Any] = {"|Δγ| ∝ 1 / |D|": "-.", "F2 = −F1": (0, (4, 3)), "F2 = F1": ":"}
"""What the theorem says: of stiffness, and of the forces in ACL's version and the first one; and how it is drawn."""


FARTHEST = 1e5
"""Between the largest force and those that are drawn to a linear scale."""


TRAININGS = ("sequential", "joint")


NAMES = dict(zip(CORPORA, ("1 pre-training text", "2 alignment text", "3 perturbation text"), strict=True))


def springs(table: pd.DataFrame, bases: Sequence[str]) -> Figure:
    """Δγ against l: columns for ways of training, rows for bases, colours for corpora, markers for P.

    The control is left out: where it is far from all training text its intervals would hide the rest.
    """
    use_style()
    trainings = [training for training in TRAININGS if training in set(table["training"])]
    colours = dict(zip(CORPORA, sns.color_palette("colorblind", len(CORPORA)), strict=True))
    figure, axes = plt.subplots(
        *(len(bases), len(trainings)),
        figsize=(PAGE_IN if len(trainings) > 1 else 0.65 * PAGE_IN, 0.4 + 2.2 * len(bases)),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for row, base in zip(axes, bases, strict=True):
        for axis, training in zip(row, trainings, strict=True):
            cells = table[(table["base"] == base) & (table["training"] == training)]
            _changes(axis, cells, colours)
            axis.set_title(f"{base}, {training} training")
        row[0].set_ylabel("Δγ, bits per byte")
        _sizes_legend(row[-1], table[table["base"] == base])
    amounts = sorted({float(f"{amount:.2g}") for amount in table["l"].dropna()})
    for axis in axes[-1]:
        axis.set_xlabel("l = |D3| / |D2|, in tokens")
        axis.xaxis.set_minor_formatter(NullFormatter())
        if amounts[-1] < 10 * amounts[0]:  # there may be no power of ten to label
            ticks_with_room(axis, amounts, [f"{amount:g}" for amount in amounts])
    lines = [Line2D([], [], color=colours[name], dashes=DASHES[name], label=NAMES[name]) for name in CORPORA]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines), frameon=False)
    return figure


def _changes(axis: Axes, cells: pd.DataFrame, colours: dict[str, tuple[float, float, float]]) -> None:
    """A line for each corpus and P; l is 0 where Δγ is 0 by definition, at the far left of a logarithmic axis."""
    sizes = sorted(cells["alignment_size"].unique())
    for corpus, colour in colours.items():
        for place, size in enumerate(sizes):
            line = cells[(cells["corpus"] == corpus) & (cells["alignment_size"] == size)].sort_values("l")
            axis.errorbar(
                line["l"],
                line["delta"],
                yerr=errors(line, "delta"),
                color=colour,
                marker=MARKERS[place % len(MARKERS)],
                dashes=DASHES[corpus],
                markersize=3.5,
                linewidth=1,
                elinewidth=0.7,
                capsize=1.5,
            )
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set_xscale("log")
    sns.despine(ax=axis)


def _sizes_legend(axis: Axes, cells: pd.DataFrame) -> None:
    ratios = cells.groupby("alignment_size")["k"].mean()
    lines = [
        Line2D([], [], color="black", marker=MARKERS[i % len(MARKERS)], linestyle="", markersize=3.5)
        for i in range(len(ratios))
    ]
    names = [f"P = {size}\nk = {ratio:.3g}" for size, ratio in ratios.items()]
    axis.legend(lines, names, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def spring_law(table: pd.DataFrame, bases: Sequence[str]) -> Figure:
    """|Δγ| against the size of the corpus at the smallest N, and the forces of the two springs against each other.

    A row for each way of training, a colour for each base, a marker for each P.
    """
    use_style()
    trainings = [training for training in TRAININGS if training in set(table["training"])]
    figure, axes = plt.subplots(
        len(trainings), 2, figsize=(PAGE_IN, 0.5 + 2.7 * len(trainings)), squeeze=False, layout="constrained"
    )
    colours = dict(zip(bases, sns.color_palette("colorblind", len(bases)), strict=True))
    sizes = sorted(table["alignment_size"].unique())
    for (left, right), training in zip(axes, trainings, strict=True):
        cells = table[(table["training"] == training) & table["corpus"].isin(CORPORA[:2])]
        for base, colour in colours.items():
            for place, size in enumerate(sizes):
                own = cells[(cells["base"] == base) & (cells["alignment_size"] == size)]
                marker = MARKERS[place % len(MARKERS)]
                _stiffness(left, own[own["inverse_size"] == own["inverse_size"].min()], colour, marker)
                _forces(right, own, colour, marker)
        _slope_guide(left)
        _force_guides(right, cells["force"])
        left.set(xlabel="|D|, tokens", ylabel="|Δγ|, bits per byte", title=f"{training} training, smallest N")
        right.set(
            xlabel="F1 = |D1| · ΔKL1, bits", ylabel="F2 = |D2| · ΔKL2, bits", title=f"{training} training, every N"
        )
        sns.despine(ax=left)
        sns.despine(ax=right)
    handles = [Line2D([], [], color=colour, label=base) for base, colour in colours.items()]
    handles += [
        Line2D([], [], color="black", linestyle="", marker=MARKERS[i % len(MARKERS)], markersize=4, label=f"P = {size}")
        for i, size in enumerate(sizes)
    ]
    handles += [Line2D([], [], color="black", linestyle=style, label=name) for name, style in GUIDES.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=-(-len(handles) // 2), frameon=False)
    return figure


def _stiffness(axis: Axes, cell: pd.DataFrame, colour: tuple[float, float, float], marker: str) -> None:
    """Pre-training and alignment of one cell, joined; full where γ rises, empty where it falls."""
    axis.plot(cell["trained_tokens"], cell["delta"].abs(), color=colour, linewidth=0.8)
    for _, point in cell.iterrows():
        face = colour if point["delta"] > 0 else "white"
        axis.plot(
            *(point["trained_tokens"], abs(point["delta"])), marker, color=colour, markerfacecolor=face, markersize=4.5
        )


def _slope_guide(axis: Axes) -> None:
    """What |Δγ| ∝ 1 / |D| looks like, through the middle of the axes."""
    axis.set(xscale="log", yscale="log")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())
    left, right = _decades(*axis.get_xlim())
    low, high = _decades(*axis.get_ylim())
    axis.set(xlim=(left, right), ylim=(low, high))
    middle = np.sqrt(left * right * low * high)
    ends = np.array([left, right])
    style = GUIDES["|Δγ| ∝ 1 / |D|"]
    axis.plot(ends, middle / ends, color="black", linestyle=style, linewidth=0.9, scalex=False, scaley=False)


def _decades(low: float, high: float) -> tuple[float, float]:
    """The powers of ten around a range."""
    return 10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high))


def _forces(axis: Axes, cells: pd.DataFrame, colour: tuple[float, float, float], marker: str) -> None:
    wide = cells.pivot(index="inverse_size", columns="corpus", values=["force", "force_low", "force_high"])
    if wide.empty:
        return
    (x, y), low, high = (
        [wide[value][corpus] for corpus in CORPORA[:2]] for value in ("force", "force_low", "force_high")
    )
    axis.errorbar(
        x,
        y,
        xerr=[x - low[0], high[0] - x],
        yerr=[y - low[1], high[1] - y],
        color=colour,
        marker=marker,
        markersize=4,
        linewidth=0.6,
        elinewidth=0.6,
        linestyle="-",
    )


def _force_guides(axis: Axes, forces: "pd.Series[float]") -> None:
    """Equal and opposite forces (dashed), and equal ones (dotted); logarithmic but for what is close to 0."""
    sizes = forces[forces != 0].abs()
    if sizes.empty:  # nothing moved
        return
    linear = max(10 ** np.floor(np.log10(sizes.min())), sizes.max() / FARTHEST)
    axis.set_xscale("symlog", linthresh=linear)
    axis.set_yscale("symlog", linthresh=linear)
    widest = 2 * sizes.max()
    ends = np.array([-widest, widest])
    axis.plot(ends, -ends, color="black", linestyle=GUIDES["F2 = −F1"], linewidth=0.9)
    axis.plot(ends, ends, color="black", linestyle=GUIDES["F2 = F1"], linewidth=0.9)
    axis.axhline(0, color="black", linewidth=0.5)
    axis.axvline(0, color="black", linewidth=0.5)
    ticks = [sign * 10.0**power for sign in (-1, 1) for power in range(2, 12, 2) if linear <= 10.0**power <= widest]
    axis.set(xlim=ends, ylim=ends, xticks=[0, *ticks], yticks=[0, *ticks])
