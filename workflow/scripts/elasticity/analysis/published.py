"""Measured numbers beside the numbers that the paper publishes, cell by cell, with the direction of each effect.

An effect is the difference of two cells; it agrees with the paper if the mean over seeds has the published sign.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from elasticity.analysis.aggregation import over_seeds

MEASURES = ("cross_entropy", "training_loss")
"""The compared columns: the first version calls the published numbers cross-entropy, the ACL version training loss."""


EFFECT = "forward - inverse"


THRESHOLD = 0.01
"""The KL from the base model, in nats per token, below which the paper calls a model reverted."""


def published_resistance(
    measured: pd.DataFrame, paper: pd.DataFrame, task: str, models: Mapping[str, str]
) -> pd.DataFrame:
    """One row for each measure, base, pair and direction that the paper publishes, and for forward minus inverse.

    ``measured`` is the result of ``resistance_table``; ``paper`` has the columns task, model, pair, inverse and
    forward; ``models`` gives the paper's name of each base. Values are in nats per token.
    """
    paper = paper[paper["task"] == task].assign(**{EFFECT: lambda rows: rows["forward"] - rows["inverse"]})
    cells = paper.melt(["model", "pair"], ["inverse", "forward", EFFECT], "direction", "published")
    values = pd.concat(
        _values(measured[["base", "pair", "direction"]], measured, measure).assign(measure=measure)
        for measure in MEASURES
    )
    table = _against(values, cells, ["pair", "direction"], models)
    table["agrees"] = _agreement(table, table["direction"] == EFFECT)
    table["direction"] = pd.Categorical(table["direction"], ["inverse", "forward", EFFECT])
    columns = ["measure", "base", "pair", "direction", *_COMPARED, "agrees"]
    return table.sort_values(["measure", "base", "pair", "direction"])[columns].astype({"direction": str})


def reversions(divergences: pd.DataFrame) -> pd.DataFrame:
    """KL from the base model before the inverse stage, and N until it is below 0.01, for each base, P and seed.

    ``divergences`` has one row for each base, ``alignment_size``, ``inverse_size`` and seed with its ``kl``. N is
    missing if the KL is never below 0.01.
    """
    rows = []
    for key, group in divergences.groupby(["base", "alignment_size", "seed"], sort=True):
        cells = group.sort_values("inverse_size")
        sizes, kls = cells["inverse_size"].tolist(), cells["kl"].tolist()
        found = reversion_size(sizes, kls)
        rows.append((*key, kls[sizes.index(0)], np.nan if found is None else found))
    return pd.DataFrame(rows, columns=["base", "alignment_size", "seed", "kl", "reversion_size"])


def published_reversion(per_seed: pd.DataFrame, paper: pd.DataFrame, models: Mapping[str, str]) -> pd.DataFrame:
    """One row for each quantity, base and P that the paper publishes, and for the largest P less the smallest.

    ``per_seed`` is the result of ``reversions``; ``paper`` has the columns model, alignment_size, kl and
    reversion_size. A mean is missing if the value of one seed is: a mean of the others would be too small.
    """
    quantities = ["kl", "reversion_size"]
    per_seed = _with_effect(per_seed, ["base", "seed"], quantities)
    table = over_seeds(per_seed, ["base", "alignment_size"], quantities)
    values = pd.concat(
        _values(table[["base", "alignment_size"]], table, quantity).assign(quantity=quantity) for quantity in quantities
    )
    cells = _with_effect(paper, ["model"], quantities).melt(
        ["model", "alignment_size"], quantities, "quantity", "published"
    )
    compared = _against(values, cells, ["alignment_size", "quantity"], models)
    compared["agrees"] = _agreement(compared, compared["alignment_size"].str.contains("-"))
    return compared[["quantity", "base", "alignment_size", *_COMPARED, "agrees"]]


def _with_effect(rows: pd.DataFrame, keys: Iterable[str], quantities: list[str]) -> pd.DataFrame:
    """The rows with P as text, and a row for the largest P less the smallest of each group."""
    parts = [rows.astype({"alignment_size": str})]
    for key, group in rows.groupby(keys := list(keys), sort=True):
        ordered = group.sort_values("alignment_size")
        if len(ordered) > 1:
            first, last = ordered.iloc[0], ordered.iloc[-1]
            effect = {name: [last[name] - first[name]] for name in quantities}
            label = f"{last['alignment_size']} - {first['alignment_size']}"
            parts.append(pd.DataFrame(dict(zip(keys, key, strict=True)) | {"alignment_size": [label]} | effect))
    return pd.concat(parts, ignore_index=True)


_COMPARED = ["measured", "low", "high", "published", "difference"]


def _values(keys: pd.DataFrame, table: pd.DataFrame, value: str) -> pd.DataFrame:
    """A value and its interval in the columns that all values share."""
    return keys.assign(measured=table[value], low=table[f"{value}_low"], high=table[f"{value}_high"])


def _against(measured: pd.DataFrame, cells: pd.DataFrame, keys: list[str], models: Mapping[str, str]) -> pd.DataFrame:
    """The measured cells that the paper publishes, in the order of ``measured``."""
    named = measured.assign(model=measured["base"].map(dict(models)))
    table = named.merge(cells, on=["model", *keys], how="inner")
    return table.assign(difference=table["measured"] - table["published"])


def _agreement(table: pd.DataFrame, effects: "pd.Series[bool]") -> "pd.Series[str]":
    """``yes`` or ``no`` for effects whose signs agree or not; empty for cells, and where nothing could be measured."""
    same = np.where(np.sign(table["measured"]) == np.sign(table["published"]), "yes", "no")
    return pd.Series(same, index=table.index).where(effects & table["measured"].notna(), "")


def reversion_size(sizes: Sequence[int], kls: Sequence[float], threshold: float = THRESHOLD) -> float | None:
    """The first number of examples at which the divergence from the base model is below the threshold.

    ``sizes`` ascend, and ``kls`` holds the divergence after each. Between the first size whose divergence is below the
    threshold and the size before, log KL is interpolated linearly in the number of examples, as in an exponential
    decay. A later rise does not count. None if the divergence is never below: the size is censored at the last one.
    """
    below = next((i for i, kl in enumerate(kls) if kl < threshold), None)
    if below is None:
        return None
    if below == 0 or kls[below] <= 0:  # nothing before it, or a divergence of zero: no logarithm
        return float(sizes[below])
    high, low = math.log(kls[below - 1]), math.log(kls[below])
    share = (high - math.log(threshold)) / (high - low)
    return sizes[below - 1] + share * (sizes[below] - sizes[below - 1])
