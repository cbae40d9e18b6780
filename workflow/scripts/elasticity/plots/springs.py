"""Figures of the springs: the change of each corpus under a perturbation, and the law that the theorem derives."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import MARKERS, PAGE_IN, errors, ticks_with_room, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = {"pretraining": (), "alignment": (5, 2), "perturbation": (1, 1.5)}
"""The dashes of the lines of each corpus; lines of different P have different markers."""


GUIDES: Mapping[str, Any] = {"|Δγ| ∝ 1 / |D|": "-.", "F2 = −F1": (0, (4, 3)), "F2 = F1": ":"}
"""The lines of the theorem and their styles: stiffness, and the forces in the ACL version and in the first one."""


FARTHEST = 1e5
"""Ratio of the largest force to those that are drawn on a linear scale."""


TRAININGS = ("sequential", "joint")


NAMES = {"pretraining": "1 pre-training text", "alignment": "2 alignment text", "perturbation": "3 perturbation text"}


SPRINGS = ("pretraining", "alignment")
"""The corpora that the paper likens to two springs in series."""


@figure(
    "springs",
    of="rebound",
    tables=("springs",),
    chapter="Compression",
    label="springs: figure",
    caption=r"""
**What is seen.** How much worse or better each corpus is compressed after a perturbation: the change Δγ of the bits per
byte of held-out text. A model is pre-trained on \|D1\| tokens of corpus 1, aligned on \|D2\| tokens of corpus 2 (P
texts), and perturbed with \|D3\| tokens of corpus 3; the further to the right, the more perturbation, l = \|D3\| /
\|D2\|. Above 0, text is compressed worse than before the perturbation. One colour and dash for each corpus, one marker
for each P, which is another k = \|D1\| / \|D2\|. The paper draws this picture as its Figure 1 and derives it: at small
l the aligned behaviour is given up k times as fast as the pre-trained one is regained (the alignment text rises, the
pre-training text falls). *Sequential* training is the usual practice: one corpus after another. *Joint* training, where
it is shown, is the theorem's literal setting: a model of the same shape, trained from random weights on all three
corpora shuffled together, once without corpus 3 and once with so much of it. The control text is in the tables only.

**How it was computed.** γ is measured on held-out texts of each corpus, never trained on, by the same code for all
models. Δγ is the rate with N perturbing texts less that with none, seed by seed. The rate that the theorem normalises
by the logarithm of the number of leaves has the same Δγ, as long as the size of the model stays. Points are means over
training seeds, bars are 95 % t intervals. Sequential models of all seeds share one pre-training run, so their intervals
do not tell how such runs differ; joint models have random weights for each seed. Joint training takes the optimizer
settings of pre-training, with one schedule of the learning rate over everything: alignment and perturbation texts are
fitted at other learning rates than in sequential training, and more of corpus 3 makes more updates. Joint models of one
seed start from the same weights and see corpora 1 and 2 in the same order, but corpus 3 comes in between: every batch
shifts, so their differences carry the noise of training anew.
""",
)
def springs(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Δγ against l: columns for ways of training, rows for bases, colours for corpora, markers for P.

    The control is left out: where it is far from all training text its intervals would hide the rest. So are bases that
    the theorem cannot be set against, which are not in the table.
    """
    import seaborn as sns
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import NullFormatter

    bases = _drawn(table, job)
    use_style()
    trainings = [training for training in TRAININGS if training in set(table["training"])]
    colours = dict(zip(NAMES, sns.color_palette("colorblind", len(NAMES)), strict=True))
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
    lines = [Line2D([], [], color=colours[name], dashes=DASHES[name], label=NAMES[name]) for name in NAMES]
    figure.legend(handles=lines, loc="outside upper center", ncols=len(lines), frameon=False)
    return figure


def _drawn(table: "pd.DataFrame", job: FigureJob) -> list[str]:
    """The bases of the experiment that are in the table."""
    return [base for base in job.bases if (table["base"] == base).any()]


def _changes(axis: "Axes", cells: "pd.DataFrame", colours: dict[str, tuple[float, float, float]]) -> None:
    """Draw a line for each corpus and P. At l = 0, which a logarithmic axis cannot show, Δγ is 0 by definition."""
    import seaborn as sns

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


def _sizes_legend(axis: "Axes", cells: "pd.DataFrame") -> None:
    """Put the legend of the markers beside a panel: P and the ratio k that it makes."""
    from matplotlib.lines import Line2D

    ratios = cells.groupby("alignment_size")["k"].mean()
    lines = [
        Line2D([], [], color="black", marker=MARKERS[i % len(MARKERS)], linestyle="", markersize=3.5)
        for i in range(len(ratios))
    ]
    names = [f"P = {size}\nk = {ratio:.3g}" for size, ratio in ratios.items()]
    axis.legend(lines, names, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


@figure(
    "spring-law",
    of="rebound",
    tables=("springs",),
    chapter="Compression",
    label="springs: law",
    caption=r"""
**What is seen.** Whether pre-training and alignment behave as two springs in series. On the left, how far each corpus
moves at the smallest N against how much of it was trained on: each line joins the pre-training text (right end) and the
alignment text (left end) of the same models; a full marker means that it is compressed worse than before, an empty one
better. Stiffness that is proportional to the data gives the slope −1 of the dash-dotted line. On the right, the forces
F = \|D\| · ΔKL of the two corpora against each other, at every N: springs in series carry the same force. On the dashed
line the forces are equal and opposite, as the paper's ACL version has it; on the dotted line they are equal, as in its
first version. The scales are logarithmic, except close to 0.

**How it was computed.** Δγ as in the figure of the springs. ΔKL is the change of the Kullback–Leibler divergence of the
model from the distribution of a corpus, KL(data \|\| model). It is exactly the change of bits per token of held-out
text, because cross-entropy is KL plus the entropy of the text, which does not change; the paper writes the divergence
the other way round. Times the trained tokens of the corpus, F is in bits: what the change would cost on the whole
corpus. Points are means over training seeds; bars, on the right, are 95 % t intervals.
""",
)
def spring_law(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """|Δγ| against the size of the corpus at the smallest N, and the forces of the two springs against each other.

    A row for each way of training, a colour for each base, a marker for each P.
    """
    import seaborn as sns
    from matplotlib import pyplot as plt
    from matplotlib.lines import Line2D

    bases = _drawn(table, job)
    use_style()
    trainings = [training for training in TRAININGS if training in set(table["training"])]
    figure, axes = plt.subplots(
        len(trainings), 2, figsize=(PAGE_IN, 0.5 + 2.7 * len(trainings)), squeeze=False, layout="constrained"
    )
    colours = dict(zip(bases, sns.color_palette("colorblind", len(bases)), strict=True))
    sizes = sorted(table["alignment_size"].unique())
    for (left, right), training in zip(axes, trainings, strict=True):
        cells = table[(table["training"] == training) & table["corpus"].isin(SPRINGS)]
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


def _stiffness(axis: "Axes", cell: "pd.DataFrame", colour: tuple[float, float, float], marker: str) -> None:
    """Draw pre-training and alignment of one cell, joined; full where γ rises, empty where it falls."""
    axis.plot(cell["trained_tokens"], cell["delta"].abs(), color=colour, linewidth=0.8)
    for _, point in cell.iterrows():
        face = colour if point["delta"] > 0 else "white"
        axis.plot(
            *(point["trained_tokens"], abs(point["delta"])), marker, color=colour, markerfacecolor=face, markersize=4.5
        )


def _slope_guide(axis: "Axes") -> None:
    """Draw |Δγ| ∝ 1 / |D| through the middle of the axes."""
    import numpy as np
    from matplotlib.ticker import NullFormatter

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
    import numpy as np

    return 10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high))


def _forces(axis: "Axes", cells: "pd.DataFrame", colour: tuple[float, float, float], marker: str) -> None:
    """Draw the forces of the two springs against each other, with their intervals, one point for each N."""
    wide = cells.pivot(index="inverse_size", columns="corpus", values=["force", "force_low", "force_high"])
    if wide.empty:
        return
    (x, y), low, high = ([wide[value][corpus] for corpus in SPRINGS] for value in ("force", "force_low", "force_high"))
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


def _force_guides(axis: "Axes", forces: "pd.Series[float]") -> None:
    """Draw equal and opposite forces (dashed) and equal ones (dotted), on scales that are logarithmic except near 0."""
    import numpy as np

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
