"""Figures of compression rates, of distances from the base model, and of packed texts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from elasticity.plots.figure import FigureJob, figure
from elasticity.plots.style import MARKERS, PAGE_IN, base_line, legend_above, lines, use_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROW_IN = 1.9
"""Height of a row of panels, in inches."""


CODERS = {
    "gzip": "gzip",
    "zstd": "zstd",
    "xz": "xz",
    "model": "model, −log₂ p",
    "coded_model": "model, coded texts only",
    "coded_arithmetic": "arithmetic coder, coded texts",
}
"""Columns of the table of packed texts and their names in the legend."""


def corpus_names(sides: tuple[str, str]) -> dict[str, str]:
    """The names of the corpora in figures; ``sides`` names the examples of the alignment and of the inverse stage."""
    return {
        "pretraining": "pre-training text",
        "alignment": f"alignment text\n({sides[0]})",
        "perturbation": f"perturbation text\n({sides[1]})",
        "control": "control text",
    }


@figure(
    "compression",
    of="rebound",
    tables=("compression",),
    chapter="Compression",
    label="compression rates",
    caption="""
**What is seen.** How well the models compress held-out text of what they were pre-trained, aligned and perturbed on,
and of a control that no model was trained on if there is one, after P examples of the alignment stage and then N
examples of the inverse stage: the compression rate γ in bits per byte, where lower is better. One line for each P; the
base model dashed. If models are elastic, the perturbation undoes the alignment: the rate of the alignment text goes
back up to the base model's, and further the larger P was.

**How it was computed.** γ is the sum of −log₂ p over all tokens of the texts, divided by the bytes of the texts in
UTF-8. Texts are read through overlapping windows that each begin with the BOS token, or with the EOS token where the
tokenizer puts no BOS token before texts; every token is predicted once, with at least the context of the overlap;
special tokens are not predicted. A prompt and its response are one text, without the template that the models were
trained with. Of each text the first characters are read (the study's ``compression`` says how wide windows are, how far
they move and how many characters are read). Points are means over training seeds; bars are 95 % t intervals over seeds.
The values of N are evenly spaced, not to scale, the lines are set apart sideways, and each panel has its own vertical
scale.
""",
)
def rates(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Bits per byte against N: a row for each base model, a column for each corpus, a line for each P."""
    columns = (table[name] for name in ("base", "corpus", "base_bits_per_byte"))
    references = {(base, corpus): rate for base, corpus, rate in zip(*columns, strict=True)}
    return _grid(
        table, [(base, "bits_per_byte", "γ, bits per byte") for base in job.bases], job.named_sides, references
    )


@figure(
    "distance",
    of="rebound",
    tables=("compression",),
    chapter="Compression",
    label="distance from the base model",
    caption="""
**What is seen.** How far the models are from the base model on held-out text of each corpus, in both directions: the
Kullback–Leibler divergence in nats per token, after P examples of the alignment stage and then N of the inverse stage.
One line for each P; the base model is at 0, dashed. A line that falls before it rises belongs to a model that came back
toward its base.

**How it was computed.** The texts are the same for all models. At every token the whole distributions of the two models
over the vocabulary are compared: KL(model ‖ base) is the sum of p log(p/q), KL(base ‖ model) that of q log(q/p), with p
the model's and q the base's. Sums over texts are divided by their tokens. Points are means over training seeds; bars
are 95 % t intervals over seeds. The values of N are evenly spaced, not to scale, the lines are set apart sideways, and
each panel has its own scale.
""",
)
def distances(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """KL to and from the base model against N, laid out as ``rates``; the base model itself is at 0."""
    labels = {"kl_to_base": "KL(model ‖ base),\nnats per token", "kl_from_base": "KL(base ‖ model),\nnats per token"}
    rows = [(base, value, label) for base in job.bases for value, label in labels.items()]
    return _grid(table, rows, job.named_sides, {})


def _grid(
    table: "pd.DataFrame",
    rows: Sequence[tuple[str, str, str]],
    sides: tuple[str, str],
    references: Mapping[tuple[str, str], float],
) -> "Figure":
    """Draw a row for each base model, value and label; a panel stays empty if the base model has no such corpus."""
    from matplotlib import pyplot as plt

    use_style()
    names = {corpus: name for corpus, name in corpus_names(sides).items() if (table["corpus"] == corpus).any()}
    size = (PAGE_IN, 0.5 + ROW_IN * len(rows))
    figure, axes = plt.subplots(len(rows), len(names), figsize=size, squeeze=False, layout="constrained")
    several = len({base for base, _, _ in rows}) > 1
    for place, (base, value, label) in enumerate(rows):
        drawn = []
        for axis, (corpus, name) in zip(axes[place], names.items(), strict=True):
            panel = table[(table["base"] == base) & (table["corpus"] == corpus)]
            axis.set_title(name if place == 0 else "")
            if panel.empty:
                axis.set_axis_off()
                continue
            lines(axis, panel, value, sides[0])
            base_line(axis, references.get((base, corpus), 0.0))
            axis.set_xlabel(f"N, {sides[1]} examples" if place == len(rows) - 1 else "")
            drawn.append(axis)
        drawn[0].set_ylabel(f"{base}\n{label}" if several else label)
    legend_above(figure, axes[0, -1])
    return figure


@figure(
    "arithmetic-coding",
    of="rebound",
    tables=("arithmetic-coding",),
    chapter="Compression",
    label="packed texts",
    caption="""
**What is seen.** Bits per byte of held-out text of each corpus, lower is better: packed by gzip, zstd and xz, and as
the base model's probabilities promise (Σ −log₂ p). For some of the texts, the length that the model promises and the
length that an arithmetic coder with the model really takes: the two agree, so a compression rate is the length of a
real code, which was also decoded to the very same texts.

**How it was computed.** The model reads each text by itself; the other compressors, at their strongest, pack all texts
of the corpus as one file, which is easier. The coded texts are the first of each corpus, each a code of whole bytes;
being few, they may be easier or harder than all. The size of the model counts nowhere.
""",
)
def arithmetic_coding(table: "pd.DataFrame", job: FigureJob) -> "Figure":
    """Bits per byte of each corpus under each coder: a panel for each base model."""
    import seaborn as sns
    from matplotlib import pyplot as plt

    bases = job.bases
    use_style()
    names = {
        corpus: name for corpus, name in corpus_names(job.named_sides).items() if (table["corpus"] == corpus).any()
    }
    places = {corpus: place for place, corpus in enumerate(names)}
    size = (PAGE_IN, 0.7 + ROW_IN * len(bases))
    figure, axes = plt.subplots(len(bases), 1, figsize=size, squeeze=False, sharex=True, layout="constrained")
    for axis, base in zip(axes[:, 0], bases, strict=True):
        rows = table[table["base"] == base]
        for number, (coder, label) in enumerate(CODERS.items()):
            shift = 0.1 * (number - (len(CODERS) - 1) / 2)
            axis.plot(
                rows["corpus"].map(places) + shift,
                rows[coder],
                MARKERS[number],
                color=sns.color_palette()[number],
                markerfacecolor="white" if coder == "coded_model" else None,
                label=label,
            )
        axis.set(ylabel="bits per byte", title=base if len(bases) > 1 else "")
        axis.set_ylim(0, 1.05 * rows[list(CODERS)].to_numpy(float).max())
        axis.set_xticks(list(places.values()), list(names.values()))
        axis.grid(axis="y", linewidth=0.4)
        sns.despine(ax=axis)
    legend_above(figure, axes[0, 0])
    return figure
