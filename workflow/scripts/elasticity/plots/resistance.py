"""The figure of a resistance experiment: forward against inverse fine-tuning for each pair of slices."""

from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import MARKERS, PAGE_IN, errors, legend_above, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@figure(
    "resistance",
    of="resistance",
    tables=("resistance", "seeds/resistance"),
    chapter="Resistance",
    label="figure, {base}",
    caption="""
**What is seen.** For each pair of slices k < l of one sequential fine-tuning: *forward* is slice k tuned on the
responses of slice l, *inverse* is slice l tuned on the responses of slice k, with the same data size and steps. The
paper's claim is that inverse lies below forward. The first panel is the training loss on the twin data set (the number
of the ACL version), the second the held-out cross-entropy H of the target's responses under the tuned model (the number
of the first arXiv version).

**Why there are five panels.** The two directions fit different texts, so a lower H may only mean that the target's
responses have lower entropy H(p), which the third panel shows. Judge by the Kullback–Leibler divergence KL(p ‖ q) of
the tuned model q from its target p: forward KL(slice l ‖ slice k tuned on l's responses), on responses of slice l;
inverse KL(slice k ‖ slice l tuned on k's responses), on responses of slice k. The fourth panel has it as H − H(p),
which estimates it only if the responses were drawn without truncation at temperature 1 (except for special tokens,
which are never drawn); drawn otherwise, as at the paper's temperature of 0.1, H − H(p) estimates no divergence. The
fifth panel needs no such condition: at every token of the responses the two distributions of the next token are
compared over the whole vocabulary, so it is never negative. How responses were drawn only decides which places are
visited.

**Equal entropies.** An experiment with ``equal_entropy`` is tuned and measured only on the half of the prompts on which
the own entropies of the two slices agree best, chosen for each pair. Judge it by the fifth panel: the prompts were
chosen by the very code lengths that H(p) is a mean of, so H − H(p) no longer estimates the divergence.

**How it was computed.** Large marks are means over seeds, bars 95 % t intervals over seeds, dots single seeds; nats per
token, all prompts of a seed together.
""",
)
def resistance(table: "pd.DataFrame", per_seed: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Forward against inverse for each pair: training loss, cross-entropy, the target's own entropy, and KL twice."""
    import seaborn as sns
    from matplotlib import pyplot as plt

    base = job.named_base
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


def _direction(
    axis: "Axes", table: "pd.DataFrame", per_seed: "pd.DataFrame", value: str, direction: str, place: int
) -> None:
    """Draw means with intervals, and a small dot for every seed."""
    import seaborn as sns

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
