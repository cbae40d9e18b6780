"""The figure of measures: a small panel for each measure, with every seed in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elasticity.config.measures import MEASURES, Measure, computed
from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import COLUMN_IN, MARKERS, errors, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

GROUP_WIDTH = 0.7
"""Width of all base models at one P or pair, in steps of the axis."""


@figure(
    "measures",
    of="experiment",
    tables=("measures",),
    chapter="Measures",
    label="figure",
    caption="""
**What is seen.** Each panel is one measure. A small dot is a training seed, a triangle a seed of which only a bound is
known (at least: it points up; at most: down); beside them their mean and its 95 % t interval, left out where there are
bounds. Colours and markers are base models. A measure that could not be computed for a seed has no dot, and no panel if
it could not be computed for any.

**Rebound.** s(P, N) is the mean score after P examples of the alignment stage and N of the inverse stage, oriented so
that the direction of the alignment stage is up; b is the base model's. *Start* is s(P, 0) − b, *end* s(P, N) − b at the
last N. *Crossing*: s(P, 0) at the largest P less that at the smallest, and at the last N the smallest P less the
largest; the paper's claim is that both are above 0. *Reversal ratio*: log₂ of N over P at the first N that brings the
score back to b; a score that is never back bounds it, and one that was not above b at N = 0 has none. *Initial rate*:
the part of the whole fall that the first N examples make up, per example; missing where nothing fell. *Two phases
against one*: BIC of one exponential less that of two, above 0 if two fit better; it needs six values of N. *Area*:
depth below b, averaged over N. *Overshoot*: depth at the lowest score. *Fall from matched start*: how far each P falls
over equally many examples from where it passes the lowest start; if only the score counted, and not the training
before, it would be the same for all P. Panels that begin with *lean* are the same measures of the lean, in bits per
byte, and its *return*: the lean at the last N less that at N = 0.

**Resistance.** Forward minus inverse for each pair of slices, and the mean over pairs (*all*): the paper's claim is
that they are above 0. KL is the one to judge by: the held-out cross-entropy is H = KL + H(p), and H(p), the target's
own, only says how uniform its responses are. *Loss* is that of training, the number of the ACL version.

**How it was computed.** One value per seed, from the mean over prompts (rebound) or all tokens (resistance). Reversal
ratio and matched fall use the non-increasing curve that is nearest to the scores (isotonic regression), linear in N up
to the first N > 0 and in log N from there. The exponentials are fitted by least squares.
""",
)
def measures(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """A panel for each measure that could be computed: seeds, and their mean with its interval, by P or pair.

    Colour and marker tell base models apart; a triangle is a bound.
    """
    import seaborn as sns
    from matplotlib import pyplot as plt

    from elasticity.analysis.tables.measures import typed

    use_style()
    table, bases = typed(table), job.bases
    panels = {entry: rows for entry in _panels() if (rows := _panel(table, entry))["value"].notna().any()}
    height = -(-max(len(panels), 1) // 2)
    figure, axes = plt.subplots(
        *(height, 2), figsize=(COLUMN_IN, 0.5 + 1.3 * height), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (entry, rows) in zip(axes.flat, panels.items(), strict=False):
        places = list(dict.fromkeys(rows["place"]))
        width = GROUP_WIDTH / len(bases)
        for (place, base), cell in rows.groupby(["place", "base"]):
            number = bases.index(base)
            x = places.index(place) + (number + 0.5) * width - GROUP_WIDTH / 2
            _cell(axis, cell, x, width, number)
        axis.axhline(0, color="black", linewidth=0.6, zorder=0)
        axis.set_xticks(range(len(places)), places)
        axis.set_xlim(-0.5, len(places) - 0.5)
        axis.set_title(entry.title, fontsize=7)
        axis.set_xlabel(_what(rows), fontsize=7, labelpad=1)
        axis.set_ylabel(entry.axis, fontsize=7)
        axis.tick_params(labelsize=6.5)
        sns.despine(ax=axis)
    figure.legend(handles=_keys(table, bases), loc="outside upper center", ncols=2, frameon=False)
    return figure


def _panels() -> list[Measure]:
    """The measures in the order of their panels; a measure of several parts takes the place of its first part."""
    joint = {part: entry for entry in map(MEASURES.__getitem__, MEASURES.names()) for part in entry.parts}
    entries = (*computed("rebound"), *computed("resistance"))
    return list(dict.fromkeys(joint.get(entry.name, entry) for entry in entries))


def _panel(table: "pd.DataFrame", entry: Measure) -> "pd.DataFrame":
    """The rows of a panel; column ``place`` holds the label of the tick at which a row is drawn."""
    if entry.parts:
        rows = table[table["measure"].isin(entry.parts)]
        return rows.assign(place=rows["measure"].str.removeprefix(f"{entry.name}-"))
    rows = table[table["measure"] == entry.name]
    return rows.assign(place=rows["alignment_size"].astype(str).where(rows["alignment_size"].notna(), rows["pair"]))


def _what(rows: "pd.DataFrame") -> str:
    """The label of the horizontal axis."""
    return "P" if rows["alignment_size"].notna().any() else "pair of slices" if rows["pair"].notna().any() else ""


def _cell(axis: "Axes", rows: "pd.DataFrame", x: float, width: float, number: int) -> None:
    """Draw the seeds of a base model left of x; right of it their mean and its interval, unless there are bounds."""
    import numpy as np
    import seaborn as sns

    from elasticity.analysis.tables.measures import measures_summary

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


def _keys(table: "pd.DataFrame", bases: Sequence[str]) -> "list[Line2D]":
    """The legend: base models if there are several, dots, and triangles if there are any."""
    import numpy as np
    import seaborn as sns
    from matplotlib.lines import Line2D

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
