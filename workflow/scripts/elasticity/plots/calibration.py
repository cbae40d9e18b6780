"""The figure of the calibration: error rates and power of the tests, and coverage of the intervals."""

from typing import TYPE_CHECKING

from elasticity.analysis.aggregation import CONFIDENCE
from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import PAGE_IN, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PANELS = {
    "value": "value",
    "sizes": "largest − smallest P",
    "bases": "one base − another",
    "control": "experiment − control",
}
"""Titles of the panels, by what a claim compares (``over``)."""


ROLES = {"size": "nothing is there to find", "power": "something is (power)"}


MARKS = {"t": "o", "sign-flip": "s"}


TICKS = (0.0, 0.05, 0.3, 1.0)


@figure(
    "calibration",
    of="study",
    tables=("calibration",),
    chapter="Calibration",
    subject="tests",
    label="figure",
    caption="""
**What is seen.** Blue: experiments without an effect. A test that verdicts may rest on is at or left of the dashed
line, at 0.05; open marks lie beyond it by more than three Monte Carlo errors. Orange: the power of the test. Of each
test the worst of all designs of this study is shown, with 95 % intervals; the axis is stretched near zero. A sign-flip
test of n seeds cannot reach a p below 1 / 2ⁿ, so that with fewer than five seeds it never rejects. Below: how often
intervals hold the true value. The percentile bootstrap over seeds is too narrow. Each seed is compared with responses
of the base model of its own, so that t intervals of such a comparison hold their noise.

**How it was computed.** {{ draws | int }} simulated experiments of each kind. The base model scores {{ base }} and the
largest P adds {{ gain }}; the inverse stage leads to {{ fall }} below the base, with a rebound up to {{ rebound }}
further. Between seeds, levels and code lengths vary as in the study that ``noise`` names, and rates by a factor of
exp(±{{ run_rate }}) (one standard deviation). Leans follow the same curves, scaled to a rise of {{ lean_gain }} bits
per byte, and only their t tests are tried. Gaps between directions are {{ nats }} nats per token. Power is that of a
test at the level that a claim has beside the others of its role. Each measure, and the experiments without an effect on
which it is tried, is in the table.
""",
)
def calibration(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Rates of rejection of a ``calibration_table``, for the worst design, and below them the coverage of intervals."""
    from matplotlib import pyplot as plt

    use_style()
    rates = table[table["role"] != "coverage"]
    measures = list(dict.fromkeys(rates["measure"]))
    height = 0.21 * len(measures)
    figure, axes = plt.subplot_mosaic(
        [list(PANELS), ["coverage", "coverage", "keys", "keys"]],
        figsize=(PAGE_IN, height + 2.4),
        height_ratios=[height, 1.5],
        layout="constrained",
    )
    for place, (over, title) in enumerate(PANELS.items()):
        _rates(axes[over], rates[rates["over"] == over], measures)
        axes[over].set(title=title, xlabel="rate of rejection")
        if place:
            axes[over].set_yticklabels([])
    _coverage(axes["coverage"], table[table["role"] == "coverage"])
    axes["keys"].axis("off")
    axes["keys"].legend(*axes["coverage"].get_legend_handles_labels(), loc="center left", frameon=False)
    figure.legend(handles=_keys(), loc="outside upper center", ncols=6, frameon=False)
    return figure


def _rates(axis: "Axes", rows: "pd.DataFrame", measures: list[str]) -> None:
    """Draw rates of rejection on an axis that is stretched near 0, as its square root."""
    import numpy as np
    import seaborn as sns

    from elasticity.analysis.hypothesis_tests import LEVEL

    for colour, role in reversed([*zip(sns.color_palette(), ROLES, strict=False)]):
        for shift, (test, mark) in zip((-0.17, 0.17), MARKS.items(), strict=True):
            found = rows[(rows["role"] == role) & (rows["test"] == test)]
            found = found.assign(rate=found["rate_adjusted"]) if role == "power" else found
            worst = found.sort_values("rate", ascending=role == "power").drop_duplicates("measure")
            for row in worst.itertuples():
                place = measures.index(str(row.measure)) + shift
                bars = np.clip(row.rate + 1.96 * row.error * np.array([-1, 1]), 0, 1)
                axis.plot(bars, [place, place], color=colour, linewidth=0.8)
                face = "white" if role == "size" and not row.sized else colour
                axis.plot(row.rate, place, mark, color=colour, markerfacecolor=face, markersize=3.5, clip_on=False)
    axis.axvline(LEVEL, color="black", linestyle=(0, (4, 3)), linewidth=0.8)
    axis.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axis.set(xlim=(0, 1), ylim=(len(measures) - 0.5, -0.5))
    axis.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    axis.set_yticks(range(len(measures)), measures)
    axis.grid(axis="y", linewidth=0.3)
    sns.despine(ax=axis)


def _coverage(axis: "Axes", rows: "pd.DataFrame") -> None:
    """Draw the coverage of intervals against the number of seeds."""
    import seaborn as sns

    lines = rows.groupby(["measure", "test"], sort=False)
    for ((measure, test), line), mark, colour in zip(lines, "D^vP", sns.color_palette()[2:], strict=False):
        line = line.sort_values("seeds")
        errors, label = 1.96 * line["error"], f"{measure}: {test}"
        axis.errorbar(line["seeds"], line["rate"], errors, color=colour, marker=mark, markersize=4, label=label)
    axis.axhline(CONFIDENCE, color="black", linestyle=(0, (4, 3)), linewidth=0.8)
    axis.set(xlabel="seeds", ylabel="coverage", title="intervals at 95 %: how often they hold the true value")
    axis.set_xticks(sorted(rows["seeds"].unique()))
    sns.despine(ax=axis)


def _keys() -> "list[Line2D]":
    """The entries of the legend."""
    import seaborn as sns
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=colour, label=label)
        for colour, label in zip(sns.color_palette(), ROLES.values(), strict=False)
    ]
    keys += [
        Line2D([], [], color="grey", marker=mark, linestyle="", label=f"{test} test") for test, mark in MARKS.items()
    ]
    keys.append(
        Line2D([], [], color="grey", marker="o", markerfacecolor="white", linestyle="", label="open: too often")
    )
    keys.append(Line2D([], [], color="black", linestyle=(0, (4, 3)), linewidth=0.8, label="0.05, 0.95"))
    return keys
