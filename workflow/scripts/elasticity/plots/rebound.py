"""The figure of a realignment stage: how the score returns, beside how it rose the first time."""

from collections.abc import Mapping, Sequence

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elasticity.plots.style import (
    COLUMN_IN,
    LINE_SHIFT,
    MARKERS,
    PAGE_IN,
    base_line,
    errors,
    legend_above,
    lines,
    ticks_with_room,
    use_style,
)


def rebound(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str], score: str) -> Figure:
    """Score against N: a panel for each base model, a line for each P, the base model dashed."""
    references = table.groupby("base")["base_score"].first()
    return _against_inverse_size(table, bases, sides, "score", score, {base: references[base] for base in bases})


def divergence(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str]) -> Figure:
    """KL from the base model against N, laid out as ``rebound``; the base model itself is at 0."""
    label = "KL from the base model,\nnats per token"
    return _against_inverse_size(table, bases, sides, "kl", label, dict.fromkeys(bases, 0.0))


def _against_inverse_size(
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


BEFORE = -1
"""Where on the horizontal axis the scores before the inverse stage are."""


def way_back(table: pd.DataFrame, bases: Sequence[str], alignment_side: str, score: str) -> Figure:
    """Score against the realignment stage's examples: a panel for each base model, a line for each P."""
    use_style()
    width = COLUMN_IN if len(bases) == 1 else PAGE_IN
    figure, axes = plt.subplots(1, len(bases), figsize=(width, 3.0), sharey=True, squeeze=False, layout="constrained")
    for axis, base in zip(axes[0], bases, strict=True):
        _panel(axis, table[table["base"] == base], alignment_side)
        axis.set(xlabel=f"{alignment_side} examples of the realignment stage", title=base if len(bases) > 1 else "")
    axes[0, 0].set_ylabel(score)
    legend_above(figure, axes[0, 0], 2 if len(bases) == 1 else 4)
    return figure


def _panel(axis: Axes, panel: pd.DataFrame, alignment_side: str) -> None:
    lines(axis, panel, "score", alignment_side, against="realignment_size")
    ticks = sorted(panel["realignment_size"].unique())
    start = panel[panel["realignment_size"] == 0].sort_values("alignment_size")
    if start["aligned"].notna().all():
        _before(axis, start)
        ticks_with_room(axis, [BEFORE, *range(len(ticks))], ["aligned", *map(str, ticks)])
    first = panel.dropna(subset=["first_alignment"]).drop_duplicates("realignment_size").sort_values("realignment_size")
    base_line(axis, start["first_alignment"].iloc[0])
    if len(first) > 1:  # more than the base model itself
        axis.errorbar(
            [ticks.index(size) for size in first["realignment_size"]],
            first["first_alignment"],
            yerr=errors(first, "first_alignment"),
            color="0.45",
            marker="x",
            markersize=4,
            linestyle=":",
            linewidth=1.2,
            elinewidth=0.8,
            capsize=2,
            label="base model's first alignment",
        )


def _before(axis: Axes, start: pd.DataFrame) -> None:
    """The scores before the inverse stage, hollow, and thin lines to where it ended."""
    colours = sns.color_palette("crest", len(start))
    for place, (row, colour) in enumerate(zip(start.to_dict("records"), colours, strict=True)):
        shift = LINE_SHIFT * (place - (len(start) - 1) / 2)
        axis.plot([BEFORE + shift, shift], [row["aligned"], row["score"]], color=colour, linewidth=0.6, linestyle=":")
        axis.errorbar(
            BEFORE + shift,
            row["aligned"],
            yerr=[[row["aligned"] - row["aligned_low"]], [row["aligned_high"] - row["aligned"]]],
            color=colour,
            marker=MARKERS[place % len(MARKERS)],
            markerfacecolor="white",
            markersize=4,
            elinewidth=0.8,
            capsize=2,
        )


PANELS = {
    "length": "response length, tokens",
    "finished": "share finished",
    "perplexity": "perplexity under\nthe base model",
    "repetition": "repeated 3-grams,\nshare of a response's",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "distinct_responses": "different responses,\nshare of a cell's",
}
"""Columns of the table and what their panels are called; the legend takes the place after them."""


COLUMNS, ROW_IN = 4, 1.75
"""Panels side by side, and the height of a row."""


def text_statistics(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str]) -> Figure:
    """Two rows of panels for each base model, a line for each P, the base model's own responses dashed."""
    use_style()
    figure = plt.figure(figsize=(PAGE_IN, 2 * ROW_IN * len(bases)), layout="constrained")
    blocks = figure.subfigures(len(bases), 1, squeeze=False)[:, 0]
    for base, block in zip(bases, blocks, strict=True):
        axes: list[Axes] = list(block.subplots(2, COLUMNS).flat)
        if len(bases) > 1:
            block.suptitle(base, fontsize=8, fontweight="bold")
        rows = table[table["base"] == base]
        for axis, (value, title) in zip(axes, PANELS.items(), strict=False):
            lines(axis, rows, value, sides[0])
            base_line(axis, rows[f"base_{value}"].iloc[0])
            axis.set_title(title)
            axis.tick_params(axis="x", labelsize=6)
        for axis in axes[COLUMNS - 1 : -1]:
            axis.set_xlabel(f"N, {sides[1]} examples", fontsize=7)
        axes[-1].set_axis_off()
        axes[-1].legend(*axes[0].get_legend_handles_labels(), loc="center", frameon=False)
    return figure
