"""The figure of a realignment stage: how the score returns, beside how it rose in the first alignment."""

from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
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

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE = -1
"""The place on the horizontal axis of the scores before the inverse stage."""


@figure(
    "realignment",
    of="rebound",
    tables=("realignment",),
    chapter="Rebound",
    label="realignment stage: figure",
    caption="""
**What is seen.** How fast an alignment returns. A model was fine-tuned on P examples of the alignment stage and then on
the largest number N of examples of the inverse stage; here it is fine-tuned on alignment examples again. The mean score
of its responses is drawn against the number of examples of this realignment stage, one line for each P; at 0 is the end
of the inverse stage. The hollow markers on the left (*aligned*) are the scores before the inverse stage, the dashed
line is the base model. The grey crosses are the base model's *first* alignment over the same number of examples, where
the experiment has such cells. A coloured line that rises faster than the grey one from the same height is a sign that
the inverse stage left something of the alignment behind; one that begins lower, or with a recipe of its own, may rise
faster without that.

**How it was computed.** The examples of the realignment stage are new to the model: those of the split that follow the
first P in the order of the seed, and the N after them where the inverse stage continued the alignment examples (a
control). Only an inverse stage of preferences (DPO, SimPO, KTO) may have seen some of them, as the rejected responses.
Prompts, random numbers and score model are those of the other stages. Points are means over training seeds of the mean
over prompts; bars are 95 % t intervals over seeds. Sizes are evenly spaced, not to scale, and the lines are set apart
sideways. The grey points after P examples are the models that the coloured lines of that P began with, before their
inverse stage.
""",
)
def realignment(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Score against the examples of the realignment stage: a panel for each base model, a line for each P."""
    from matplotlib import pyplot as plt

    bases, alignment_side = job.bases, job.named_sides[0]
    use_style()
    width = COLUMN_IN if len(bases) == 1 else PAGE_IN
    figure, axes = plt.subplots(1, len(bases), figsize=(width, 3.0), sharey=True, squeeze=False, layout="constrained")
    for axis, base in zip(axes[0], bases, strict=True):
        _panel(axis, table[table["base"] == base], alignment_side)
        axis.set(xlabel=f"{alignment_side} examples of the realignment stage", title=base if len(bases) > 1 else "")
    axes[0, 0].set_ylabel(job.score)
    legend_above(figure, axes[0, 0], 2 if len(bases) == 1 else 4)
    return figure


def _panel(axis: "Axes", panel: "pd.DataFrame", alignment_side: str) -> None:
    lines(axis, panel, "score", alignment_side, against="realignment_size")
    ticks = sorted(panel["realignment_size"].unique())
    start = panel[panel["realignment_size"] == 0].sort_values("alignment_size")
    if start["aligned"].notna().all():
        _before(axis, start)
        ticks_with_room(axis, [BEFORE, *range(len(ticks))], ["aligned", *map(str, ticks)])
    first = panel.dropna(subset=["first_alignment"]).drop_duplicates("realignment_size").sort_values("realignment_size")
    height, low, high = start[["first_alignment", "first_alignment_low", "first_alignment_high"]].iloc[0]
    base_line(axis, height, (low, high))
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


def _before(axis: "Axes", start: "pd.DataFrame") -> None:
    """Draw the scores before the inverse stage, hollow, and thin lines to the scores at its end."""
    import seaborn as sns

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
