"""Figures: labelled with units, legible in grey and at column width, the same bytes for the same numbers."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from elasticity.plots.style import MARKERS, PAGE_IN, errors, legend_above, use_style


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
