"""The figure of usefulness: small panels against N."""

from collections.abc import Sequence

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elasticity.figures import PAGE_IN, base_line, lines, use_style

PANELS = {
    "length": "answer length, tokens",
    "finished": "share finished",
    "perplexity": "perplexity under\nthe base model",
    "repetition": "repeated 3-grams,\nshare of an answer's",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "distinct_answers": "different answers,\nshare of a cell's",
}
"""Columns of the table and what their panels are called; the legend takes the place after them."""

COLUMNS, ROW_IN = 4, 1.75
"""Panels side by side, and the height of a row."""


def usefulness(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str]) -> Figure:
    """Two rows of panels for each base model, a line for each P, the base model's own answers dashed."""
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
