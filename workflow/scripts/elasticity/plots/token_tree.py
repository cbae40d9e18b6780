"""The figure of the token trees of the study's own texts."""

from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import MARKERS, PAGE_IN, legend_above, ticks_with_room, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@figure(
    "token-tree",
    of="study",
    tables=("token-tree", "token-tree-laws", "token-tree-masses", "token-tree-slopes"),
    chapter="Theory",
    subject="token trees of the texts",
    label="figure",
    caption="""
**What is seen.** The paper's token trees, made of this study's own texts. Top left: bits per byte in the Huffman code
of a tree that is pruned to depth d, for the texts that it was made of (solid) and for other texts of the same kind
(dashed). Top right: how many leaves have at least a mass (1 is the mean), for the first corpus, a colour for each
depth; dashed in black, the nearest Pareto law with mean 1, which the theorem assumes, for the deepest tree. Bottom
left: the exponent α of the best Pareto tail with 95 % intervals, filled for the leaves of all blocks and open for those
of the first blocks; the theorem needs α > 2. A missing point means too few frequent leaves. Bottom right: dγ/dl of D2
with measured masses, times k, at the smallest k and l, all blocks, without the bias of counting; bars are two standard
errors. Above zero D3 makes D2 cost more, as the ACL version says. Crosses: the same texts divided into corpora at
random, bias included.

**How it was computed.** Texts are strings of bits that are cut into blocks of d − 1 bits. Exponents: maximum likelihood
above the threshold with the least Kolmogorov–Smirnov distance, intervals by bootstrap over leaves.
""",
)
def token_tree(
    lengths: "pd.DataFrame",
    laws: "pd.DataFrame",
    masses: "pd.DataFrame",
    slopes: "pd.DataFrame",
    job: FigureJob,
) -> "Figure":
    """Code lengths, distributions of leaf masses, exponents of their tails, and the theorem's slopes, by depth."""
    import seaborn as sns
    from matplotlib import pyplot as plt

    use_style()
    figure, axes = plt.subplots(2, 2, figsize=(PAGE_IN, 5.4), layout="constrained")
    _lengths(axes[0, 0], lengths)
    _distributions(axes[0, 1], masses[masses["corpus"] == masses["corpus"].iloc[0]], laws)
    _exponents(axes[1, 0], laws)
    _slopes(axes[1, 1], slopes)
    depths = sorted(lengths["depth"].unique())
    for axis in (axes[0, 0], *axes[1]):
        ticks_with_room(axis, range(len(depths)), [str(depth) for depth in depths])
        axis.set_xlabel("depth d")
    for axis in axes.flat:
        sns.despine(ax=axis)
    legend_above(figure, axes[0, 0])
    return figure


def _lengths(axis: "Axes", lengths: "pd.DataFrame") -> None:
    """Draw bits per byte of each corpus against the depth."""
    for place, (corpus, line) in enumerate(lengths.groupby("corpus", sort=False)):
        colour, x = f"C{place}", range(len(line))
        axis.plot(x, line["huffman_bits_per_byte"], color=colour, marker=MARKERS[place % len(MARKERS)], label=corpus)
        axis.plot(x, line["held_out_bits_per_byte"], color=colour, linestyle=(0, (4, 3)))
    axis.set(ylabel="bits per byte", title="Huffman code: own texts, dashed other texts")


def _distributions(axis: "Axes", masses: "pd.DataFrame", laws: "pd.DataFrame") -> None:
    """Draw the share of leaves that have at least a mass, for each depth, and the nearest law of the deepest tree."""
    import numpy as np
    import seaborn as sns

    groups = masses.groupby("depth", sort=True)
    for colour, (depth, line) in zip(sns.color_palette("crest", len(groups)), groups, strict=True):
        axis.plot(line["mass"], line["share"], color=colour, label=f"d = {depth}")
    corpus = masses["corpus"].iloc[0]
    own = laws[(laws["corpus"] == corpus) & (laws["part"] == "all")].sort_values("depth").iloc[-1]
    alpha = own["nearest_alpha"]
    x = np.geomspace((alpha - 1) / alpha, masses["mass"].max(), 50)
    axis.plot(
        x, ((alpha - 1) / alpha / x) ** alpha, color="black", linestyle=(0, (4, 3)), label=f"law, α = {alpha:.3g}"
    )
    axis.set(
        xscale="log", yscale="log", xlabel="mass of a leaf", ylabel="share of leaves", title=f"leaf masses of {corpus}"
    )
    axis.set_ylim(bottom=masses["share"].min() / 2)
    axis.legend(frameon=False, fontsize=6)


def _exponents(axis: "Axes", laws: "pd.DataFrame") -> None:
    """Draw the exponent of the tail with its interval, for each corpus and part."""
    depths = sorted(laws["depth"].unique())
    names = list(laws["corpus"].unique())
    for (corpus, part), line in laws.groupby(["corpus", "part"], sort=False):
        place = names.index(corpus)
        shift = 0.12 * (place - (len(names) - 1) / 2) + (0.05 if part == "first" else 0)
        x = [depths.index(depth) + shift for depth in line["depth"]]
        bars = [line["alpha"] - line["alpha_low"], line["alpha_high"] - line["alpha"]]
        axis.errorbar(
            x,
            line["alpha"],
            [bar.clip(lower=0) for bar in bars],
            fmt=MARKERS[place % len(MARKERS)],
            color=f"C{place}",
            markerfacecolor=f"C{place}" if part == "all" else "white",
            markersize=4,
            elinewidth=0.8,
        )
    axis.axhline(2, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axis.set(yscale="log", ylabel="α of the Pareto tail", title="exponents; the theorem needs α > 2 (dashed)")
    ticks = [0.5, 1, 2, 5, 10]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()


def _slopes(axis: "Axes", slopes: "pd.DataFrame") -> None:
    """Draw k dγ2/dl of each union at the smallest k and l, and the same of random divisions."""
    limit = (slopes["l"] == slopes["l"].min()) & (slopes["k"] == slopes["k"].min())
    rows = slopes[limit & (slopes["corpus"] == "D2") & (slopes["part"] == "all")]
    depths = sorted(rows["depth"].unique())
    unions = rows.groupby("union", sort=True)
    for place, (union, line) in enumerate(unions):
        colour, mark = f"C{4 + place}", MARKERS[place % len(MARKERS)]
        x = [depths.index(depth) + 0.16 * (place - (len(unions) - 1) / 2) for depth in line["depth"]]
        bars = 2 * line["k"] * line["error"]
        axis.errorbar(x, line["k"] * line["corrected"], bars, fmt=mark, color=colour, markersize=4, label=union)
        axis.plot(x, line["k"] * line["noise"], "x", color=colour, markersize=4)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_yscale("symlog", linthresh=1e-3, linscale=0.5)
    axis.set(ylabel="k dγ2/dl, nats a leaf", title=f"slope of D2, k = {rows['k'].iloc[0]:g}, l = {rows['l'].iloc[0]:g}")
    axis.legend(frameon=False, fontsize=6)
