"""Figures of a rebound experiment: leans, scores, and divergences from the base model, against N."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import (
    COLUMN_IN,
    PAGE_IN,
    base_line,
    legend_above,
    lines,
    ticks_with_room,
    use_style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@figure(
    "lean",
    of="rebound",
    tables=("lean",),
    chapter="Rebound",
    label="the rebound in bits",
    caption="""
**What is seen.** The lean of the models after P examples of the alignment stage and then N examples of the inverse
stage: how many more bits per byte they need for held-out text of the opposite side than for that of the side of the
alignment stage. Up is the direction of the alignment stage, as for scores. One line for each P; the dashed line is the
base model. The paper's claim is a *crossing*: the line of the largest P starts highest at N = 0 and ends below the
others at large N.

**How it was computed.** A compression rate is the sum of −log₂ p over the first tokens of each text of a side (of each
response given its prompt, where there are prompts), divided by the UTF-8 bytes that they cover. Nothing is sampled, and
no score model is needed. Each seed has held-out texts of its own, and all models of a seed read the same. Points are
means over training seeds; bars are 95 % t intervals over seeds of the distance from the base model on the same texts,
so they include the error over texts. Only distances between lines mean something: the height of the whole figure
depends on which texts were held out. The values of N are evenly spaced, not to scale, and the lines are set apart
sideways.
""",
)
def lean(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Lean against N, laid out as ``rebound``."""
    references = {base: (height,) for base, height in zip(table["base"], table["base_lean"], strict=True)}
    return _against_inverse_size(table, job, "lean", "lean, bits per byte", references)


@figure(
    "lean-difference",
    of="rebound",
    tables=("lean-difference",),
    chapter="Rebound",
    label="difference of the leans of both base models",
    caption="""
**What is seen.** How far the leans of the models on the two base models are apart: the lean on the last base model
minus that on the first, before the alignment stage, after it (N = 0), and after N examples of the inverse stage. One
line for each P. Both base models get the same examples in the same order. If fine-tuning only makes models forget, the
difference shrinks with every stage; if models are drawn back to where they came from, it shrinks in the alignment stage
and grows again in the inverse stage.

**How it was computed.** Points are means over training seeds of the difference within a seed; bars are 95 % t intervals
over seeds. A seed is an order of the examples of both stages, and held-out texts of its own. Each base model was
pre-trained once, so the intervals do not say how other pre-training runs would differ. The values of N are evenly
spaced, not to scale, and the lines are set apart sideways.
""",
)
def lean_difference(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Difference of two leans at the stages before and after alignment and at each N: a line for each P."""
    from matplotlib import pyplot as plt

    use_style()
    figure, axis = plt.subplots(figsize=(COLUMN_IN, 2.6), layout="constrained")
    before = -1  # where no N is given
    table = table.assign(inverse_size=table["inverse_size"].fillna(before).astype(int))
    lines(axis, table, "difference", job.named_sides[0])
    axis.axhline(0, color="black", linewidth=0.6)
    stages = sorted(table["inverse_size"].unique())
    ticks_with_room(axis, range(len(stages)), ["before" if stage == before else str(stage) for stage in stages])
    first, last = job.bases
    axis.set(xlabel=f"N, {job.named_sides[1]} examples", ylabel=f"lean, bits per byte:\n{last} − {first}")
    legend_above(figure, axis, 2)
    if job.planted:
        figure.supxlabel(job.planted, fontsize=7)
    return figure


@figure(
    "rebound",
    of="rebound",
    tables=("rebound",),
    chapter="Rebound",
    label="scores",
    caption="""
**What is seen.** The mean score of the responses after fine-tuning on P examples of the alignment stage and then on N
examples of the inverse stage. Up is good: a score is the share of responses that a classifier calls positive, the mean
probability of being positive, or minus the mean cost of a cost model, which is above 0 for safe responses; the axis
says which. One line for each P; the dashed line is the base model, before any fine-tuning, in the band of its 95 % t
interval over several draws of its responses. The paper's claim is a *crossing*: the line of the largest P starts
furthest from the base at N = 0 and ends on the other side of the others at large N.

**How it was computed.** Every cell answers the same held-out prompts with the same random numbers. Points are means
over training seeds of the mean over prompts; bars are 95 % t intervals over seeds. The values of N are evenly spaced,
not to scale, and the lines are set apart sideways. The first draw of the base model has the same random numbers as the
cells; measures compare each training seed with draws of its own. All N of a line are checkpoints of one run where
learning rate and epochs allow it.
""",
)
def rebound(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Score against N: a panel for each base model, a line for each P, the base model dashed."""
    columns = ["base_score", "base_score_low", "base_score_high"]
    first = table.groupby("base")[columns].first()
    references = dict(zip(first.index, first.to_numpy(dtype=float).tolist(), strict=True))
    return _against_inverse_size(table, job, "score", job.score, references)


@figure(
    "divergence",
    of="rebound",
    tables=("divergence",),
    chapter="Rebound",
    label="distance from the base model",
    caption="""
**What is seen.** How far the models are from the base model after P examples of the alignment stage and then N examples
of the inverse stage: the Kullback–Leibler divergence from the base, in nats per token. One line for each P; the base
model itself is at 0, dashed. If a model falls back toward the base in the inverse stage, its line falls before it
rises.

**How it was computed.** On each model's own responses to the held-out prompts, the whole distributions of the two
models are compared at every token, p log(p/q) summed over the vocabulary; sums over responses are divided by their
tokens. Where responses were drawn with truncation (top-k, top-p, a low temperature) they visit likely texts more often
than the model itself would. Points are means over training seeds; bars are 95 % t intervals over seeds. The values of N
are evenly spaced, not to scale, and the lines are set apart sideways.
""",
)
def divergence(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """KL from the base model against N, laid out as ``rebound``; the base model itself is at 0."""
    label = "KL from the base model,\nnats per token"
    return _against_inverse_size(table, job, "kl", label, dict.fromkeys(job.bases, (0.0,)))


def _against_inverse_size(
    table: "pd.DataFrame", job: FigureJob, value: str, label: str, references: Mapping[str, Sequence[float]]
) -> "Figure":
    from matplotlib import pyplot as plt

    bases, sides = job.bases, job.named_sides
    use_style()
    width = COLUMN_IN if len(bases) == 1 else PAGE_IN
    figure, axes = plt.subplots(1, len(bases), figsize=(width, 2.6), sharey=True, squeeze=False, layout="constrained")
    for axis, base in zip(axes[0], bases, strict=True):
        lines(axis, table[table["base"] == base], value, sides[0])
        height, *band = references[base]
        base_line(axis, height, (band[0], band[1]) if band else None)
        axis.set(xlabel=f"N, {sides[1]} examples", title=base if len(bases) > 1 else "")
    axes[0, 0].set_ylabel(label)
    legend_above(figure, axes[0, 0], 2 if len(bases) == 1 else None)
    if job.planted:
        figure.supxlabel(job.planted, fontsize=7)
    return figure
