"""The figure of base models: scores against N, averaged over P, as figures 5 and 6 of the paper draw them."""

from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import COLUMN_IN, MARKERS, legend_above, ticks_with_room, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@figure(
    "base-models",
    of="rebound",
    tables=("rebound",),
    chapter="Rebound",
    label="base models, averaged over P",
    least_bases=2,
    caption="""
**What is seen.** The mean score of the responses after N examples of the inverse stage, averaged over the sizes P of
the alignment stage. One line for each base model (larger, or with more pre-training); the shaded band is one standard
deviation over P. The paper's claim is that the line of a larger or longer pre-trained model falls faster at first.

**How it was computed.** The scores are those of ``tables/rebound-{{ experiment }}.csv``, which are means over training
seeds and prompts. The band shows how far the sizes P differ. It is no interval of uncertainty: that of the claim is in
the table of verdicts. The values of N are evenly spaced, not to scale.
""",
)
def base_models(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Score against N: a line for each base model, the mean over P, with a band of one standard deviation over P."""
    import seaborn as sns
    from matplotlib import pyplot as plt

    use_style()
    figure, axis = plt.subplots(figsize=(COLUMN_IN, 2.6), layout="constrained")
    sizes = sorted(table["inverse_size"].unique())
    places = range(len(sizes))
    colours = sns.color_palette("flare", len(job.bases))
    for number, (base, colour) in enumerate(zip(job.bases, colours, strict=True)):
        scores = table[table["base"] == base].pivot(index="inverse_size", columns="alignment_size", values="score")
        means, deviations = scores.loc[sizes].mean(axis=1), scores.loc[sizes].std(axis=1).fillna(0)
        marker = MARKERS[number % len(MARKERS)]
        axis.plot(places, means, color=colour, marker=marker, markersize=4, linewidth=1.2, label=base)
        axis.fill_between(places, means - deviations, means + deviations, color=colour, alpha=0.2, linewidth=0)
    ticks_with_room(axis, places, [str(size) for size in sizes])
    axis.set(xlabel=f"N, {job.named_sides[1]} examples", ylabel=f"{job.score},\nmean over P")
    sns.despine(ax=axis)
    legend_above(figure, axis, min(3, len(job.bases)))
    return figure
