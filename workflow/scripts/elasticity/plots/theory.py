"""The figure of the elasticity theorem: its derivatives, their signs, and their ratio."""

from itertools import cycle
from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import COLUMN_IN, MARKERS, PAGE_IN, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from elasticity.analysis.theorem import Normalisation, Reading

AXES: "dict[Normalisation, str]" = {
    "difference": "dγ/dl, nats a leaf\n← better   D3 makes it   worse →",
    "ratio": "dγ/dl, a ratio of rates",
}
"""Labels of the vertical axes. Where codes save bits the ratio is one of two negative numbers, so its sign does not
distinguish better from worse."""


PANELS: "tuple[tuple[str, Reading, Normalisation], ...]" = (
    ("ACL: γ − log M, corpora independent", "independent", "difference"),
    ("ACL: γ − log M, D1 contains D2 and D3", "contained", "difference"),
    ("first version: ratio, corpora independent", "independent", "ratio"),
    ("first version: ratio, D1 contains D2 and D3", "contained", "ratio"),
    ("ACL: γ − log M, D3 distributed as D1", "pretraining", "difference"),
)


@figure(
    "theory",
    of="study",
    tables=("theory",),
    chapter="Theory",
    subject="theorem",
    label="figure",
    caption="""
**What is seen.** The elasticity theorem says how the compression rates of the pre-training corpus D1 and of the
alignment corpus D2 change as a little of a perturbing corpus D3 is added to the data that one code is made for. It
publishes the signs in the corner of each panel, and a ratio of k. With γ − log M, a corpus above zero costs more bits
because of D3. What the theorem says depends on how it is read. If the three corpora are independent of each other (top
left), the signs for l → 0 are the opposite of those that the ACL version publishes, for every α and every k above 1. If
D1 contains text like D2 and text like D3 (top right, at the largest share of the table), the published signs hold, as
they do if D3 is distributed like the whole of D1 (bottom left). The ratio of −k holds in every reading: it is an
identity that needs no assumption. With the first version's ratio (middle) γ2 does not change k times as much as γ1 if
corpora are independent; if D1 contains D2 and D3, the signs differ from the published ones. The derivation is in
``docs/theory.md``.

**How it was computed.** Leaf masses of three sources are independent Pareto variables of mean 1 and exponent α. The
corpora are the sources; or D1 is a mixture of all three, or D3 has the very masses of D1. Lines: quadrature; its error
is invisible here. Points: Monte Carlo with {{ "{:,}".format(draws | int) }} draws that all cells share, so that their
deviations go together; bars are 95 % intervals. Dashed: leading order for large k, where it is known. All at the
smallest l of the table. Axes are logarithmic, on both sides of zero.
""",
)
def theory(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """dγ1/dl and dγ2/dl against k for each reading, and their ratio, at the smallest l of a ``theory_table``."""
    import seaborn as sns
    from matplotlib import pyplot as plt

    from elasticity.analysis.theory import PUBLISHED

    use_style()
    figure, axes = plt.subplots(3, 2, figsize=(PAGE_IN, 7.5), layout="constrained")
    limit = table[table["l"] == table["l"].min()]
    for axis, (title, reading, normalisation) in zip(axes.flat, PANELS, strict=False):
        _slopes(axis, _rows(limit, reading, normalisation), PUBLISHED[normalisation][1])
        axis.set(title=title, ylabel=AXES[normalisation])
    _ratios(axes[2, 1], limit)
    for axis in axes.flat:
        axis.set(xscale="log", xlabel="k = |D1| / |D2|")
        sns.despine(ax=axis)
    figure.legend(handles=_keys(table), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _rows(limit: "pd.DataFrame", reading: "Reading", normalisation: "Normalisation") -> "pd.DataFrame":
    """The rows of a panel, which shows the largest share."""
    rows: pd.DataFrame = limit[(limit["reading"] == reading) & (limit["normalisation"] == normalisation)]
    largest: pd.DataFrame = rows[rows["share"] == rows["share"].max()]
    return largest


def _slopes(axis: "Axes", rows: "pd.DataFrame", published: str) -> None:
    """Draw dγ/dl of each corpus against k, on an axis that is logarithmic on both sides of 0."""
    import numpy as np
    import seaborn as sns
    from matplotlib import ticker

    from elasticity.analysis.theory import found_signs

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
    signs = f"published: {published}\nfound: {found_signs(rows)}"
    axis.text(0.98, 1, signs, transform=axis.transAxes, ha="right", va="top", fontsize=7)


def _ratios(axis: "Axes", limit: "pd.DataFrame") -> None:
    """Draw the size of the ratio against k, filled where both derivatives have the same sign."""
    for place, (_, reading, normalisation) in enumerate(PANELS):
        rows = _rows(limit, reading, normalisation)
        grey, size = str(0.6 * place / (len(PANELS) - 1)), 8 - 1.2 * place
        for _, line in rows[rows["corpus"] == "D1"].groupby("alpha", sort=True):
            axis.plot(line["k"], line["over_first"].abs(), color=grey, linewidth=1)
            for k, ratio in zip(line["k"], line["over_first"], strict=True):
                face = grey if ratio > 0 else "white"
                axis.plot(k, abs(ratio), MARKERS[place], color=grey, markerfacecolor=face, markersize=size)
    sizes = limit["k"].unique()
    axis.plot(sizes, sizes, color="black", linestyle=(0, (1, 2)), linewidth=1.5)
    axis.set(yscale="log", ylabel="|dγ2/dl| over |dγ1/dl|", title="ratio; filled: same sign, open: opposite signs")
    axis.margins(y=0.15)
    axis.text(0.02, 0.98, "dotted: published, k", transform=axis.transAxes, va="top", fontsize=7)
    names = ("ACL, independent", "ACL, contained", "first, independent", "first, contained", "ACL, D3 as D1")
    for place, name in enumerate(names):
        axis.plot([], [], MARKERS[place], color=str(0.6 * place / (len(PANELS) - 1)), markersize=4, label=name)
    bottom, top = axis.get_ylim()
    axis.set_ylim(bottom * (bottom / top) ** 0.4, top)  # room for the legend below the lines
    axis.legend(loc="lower left", fontsize=6, frameon=False)


def _keys(table: "pd.DataFrame") -> "list[Line2D]":
    """The entries of the legend."""
    import seaborn as sns
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=sns.color_palette()[0], label="D1, pre-training"),
        Line2D([], [], color=sns.color_palette()[1], label="D2, alignment"),
        Line2D([], [], color="grey", label="quadrature"),
        Line2D([], [], color="grey", linestyle=(0, (4, 3)), linewidth=0.8, label="leading order, large k"),
    ]
    for mark, alpha in zip(cycle(MARKERS), sorted(table["alpha"].unique()), strict=False):
        keys.append(Line2D([], [], color="grey", marker=mark, linestyle="", label=f"Monte Carlo, α = {alpha:g}"))
    return keys


@figure(
    "theory-turns",
    of="study",
    tables=("theory-turns",),
    chapter="Theory",
    subject="theorem",
    label="turn of the signs",
    caption="""
**What is seen.** The pre-training corpus D1 contains text like the alignment corpus D2 and text like the perturbing
corpus D3, each with the share on the vertical axis. Above a line, the signs that the ACL version publishes hold: a
little of D3 makes D2 cost more and D1 less. Below it they are reversed. A share of 0 is the reading in which all
corpora are independent, one third the reading in which D1 is equal parts of D2, of D3 and of other text.

**How it was computed.** The share at which dγ2/dl = 0 for l → 0, for Pareto masses with exponent α, by quadrature and
root finding. Dashed: masses of small variance, (3 − √(3 + 6/k)) / 6.
""",
)
def theory_turns(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """The share of D2 and of D3 in D1 at which the signs turn against k, a line for each α of a ``turns_table``."""
    import numpy as np
    import seaborn as sns
    from matplotlib import pyplot as plt

    use_style()
    figure, axis = plt.subplots(figsize=(COLUMN_IN, 2.6), layout="constrained")
    finite = table[np.isfinite(table["k"])]
    groups = finite.groupby("alpha", sort=True)
    colours = sns.color_palette("crest", len(groups))
    for mark, colour, (alpha, line) in zip(cycle(MARKERS), colours, groups, strict=False):
        axis.plot(line["k"], line["turn"], marker=mark, color=colour, markersize=3.5, label=f"α = {alpha:g}")
    limit = finite.drop_duplicates("k").sort_values("k")
    axis.plot(limit["k"], limit["small_variance"], color="black", linestyle=(0, (4, 3)), label="small variance")
    axis.axhline(1 / 3, color="grey", linewidth=0.8)
    axis.annotate(
        "equal thirds: published signs hold", (0.02, 1 / 3), (0, -9), ("axes fraction", "data"), "offset points"
    )
    axis.annotate("signs reversed", (0.98, 0.03), xycoords="axes fraction", ha="right")
    axis.set(xscale="log", ylim=(0, 0.36), xlabel="k = |D1| / |D2|", ylabel="share of D2, and of D3, in D1")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    sns.despine(ax=axis)
    return figure
