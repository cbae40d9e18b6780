"""Figures of compression rates, of distances from the base model, and of packed texts."""

from collections.abc import Mapping, Sequence

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from elasticity.plots.style import MARKERS, PAGE_IN, base_line, legend_above, lines, use_style

ROW_IN = 1.9
"""Height of a row of panels."""


CODERS = {
    "gzip": "gzip",
    "zstd": "zstd",
    "xz": "xz",
    "model": "model, −log₂ p",
    "coded_model": "model, coded texts only",
    "coded_arithmetic": "arithmetic coder, coded texts",
}
"""Columns of the table of packed texts, and what the legend calls them."""


def corpus_names(sides: tuple[str, str]) -> dict[str, str]:
    """What readers know the corpora as; ``sides`` are what the models were aligned to, then perturbed with."""
    return {
        "pretraining": "pre-training text",
        "alignment": f"alignment text\n({sides[0]})",
        "perturbation": f"perturbation text\n({sides[1]})",
        "control": "control text",
    }


def rates(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str]) -> Figure:
    """Bits per byte against N: a row for each base model, a column for each corpus, a line for each P."""
    columns = (table[name] for name in ("base", "corpus", "base_bits_per_byte"))
    references = {(base, corpus): rate for base, corpus, rate in zip(*columns, strict=True)}
    return _grid(table, [(base, "bits_per_byte", "γ, bits per byte") for base in bases], sides, references)


def distances(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str]) -> Figure:
    """KL to and from the base model against N, laid out as ``rates``; the base model itself is at 0."""
    labels = {"kl_to_base": "KL(model ‖ base),\nnats per token", "kl_from_base": "KL(base ‖ model),\nnats per token"}
    rows = [(base, value, label) for base in bases for value, label in labels.items()]
    return _grid(table, rows, sides, {})


def _grid(
    table: pd.DataFrame,
    rows: Sequence[tuple[str, str, str]],
    sides: tuple[str, str],
    references: Mapping[tuple[str, str], float],
) -> Figure:
    """A row for each base model, value and label; where a base model has no such corpus, nothing."""
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


def coding(table: pd.DataFrame, bases: Sequence[str], sides: tuple[str, str]) -> Figure:
    """Bits per byte of each corpus under each coder: a panel for each base model."""
    use_style()
    names = {corpus: name for corpus, name in corpus_names(sides).items() if (table["corpus"] == corpus).any()}
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
