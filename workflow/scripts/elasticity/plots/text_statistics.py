"""The figure of text statistics: whether scores were reached with broken text."""

from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import PAGE_IN, base_line, lines, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "length": "response length, tokens",
    "finished": "share finished",
    "perplexity": "perplexity under\nthe base model",
    "repetition": "repeated 3-grams,\nshare of a response's",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "distinct_responses": "different responses,\nshare of a cell's",
}
"""Columns of the table and the titles of their panels; the legend takes the place after them."""


COLUMNS, ROW_IN = 4, 1.75
"""Panels side by side, and the height of a row."""


@figure(
    "text-statistics",
    of="rebound",
    tables=("text-statistics",),
    chapter="Text statistics",
    label="figure",
    caption="""
**What is seen.** Whether the scores were reached with broken text: measures of the very responses that were scored,
after P examples of the alignment stage and then N of the inverse stage. One line for each P; the dashed line is the
base model's own responses. *Length* counts tokens; *finished* is the share of responses that the model ended itself.
*Perplexity* is that of the responses under the base model, given their prompts: above the dashed line the base model
finds them unlikely, as it does foreign or broken text; far below it they are likelier than its own, as monotonous text
is. *Repeated 3-grams* are runs of three tokens that occurred before in the same response. *Distinct-1* and *distinct-2*
are different tokens, and different pairs of them, over all of a cell's responses together: they fall when responses
become alike, and also when they become longer. *Different responses* counts responses that are the same word for word
once: it falls when a model says the same to every prompt.

**How it was computed.** All responses of a cell and seed together; for repetition the mean over responses of three
tokens or more. Perplexity is the exponential of the nats per token of all responses, their EOS tokens included. Points
are means over training seeds, bars 95 % t intervals over seeds. The values of N are evenly spaced, not to scale, and
the lines are set apart sideways.
""",
)
def text_statistics(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Two rows of panels for each base model, a line for each P, the base model's own responses dashed."""
    from matplotlib import pyplot as plt

    bases, sides = job.bases, job.named_sides
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
