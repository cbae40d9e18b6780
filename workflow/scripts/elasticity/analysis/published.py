"""What was measured against what the paper prints, cell by cell, with the direction of each effect.

An effect is the difference of two cells; it agrees with the paper if the mean over seeds has the printed sign.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from elasticity.analysis.aggregation import over_seeds
from elasticity.analysis.measures import reversion_size

MEASURES = ("cross_entropy", "training_loss")
"""The first version calls the printed numbers the one, the ACL version the other."""


EFFECT = "forward - inverse"


def published_resistance(
    measured: pd.DataFrame, paper: pd.DataFrame, task: str, models: Mapping[str, str]
) -> pd.DataFrame:
    """One row for each measure, base, pair and direction that the paper prints, and for forward minus inverse.

    ``measured`` is a table of ``judgement.resistance_table``; ``paper`` has the columns task, model, pair, inverse and
    forward; ``models`` gives the paper's name of each base. Values are nats per token.
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
    """For each base, P and seed: KL from the base model before the inverse stage, and N until it is below 0.01.

    ``divergences`` has one row a base, ``alignment_size``, ``inverse_size`` and seed with its ``kl``. Where the KL is never
    below, N is missing.
    """
    rows = []
    for key, group in divergences.groupby(["base", "alignment_size", "seed"], sort=True):
        cells = group.sort_values("inverse_size")
        sizes, kls = cells["inverse_size"].tolist(), cells["kl"].tolist()
        found = reversion_size(sizes, kls)
        rows.append((*key, kls[sizes.index(0)], np.nan if found is None else found))
    return pd.DataFrame(rows, columns=["base", "alignment_size", "seed", "kl", "reversion_size"])


def published_reversion(per_seed: pd.DataFrame, paper: pd.DataFrame, models: Mapping[str, str]) -> pd.DataFrame:
    """One row for each quantity, base and P that the paper prints, and for the largest P less the smallest.

    ``per_seed`` is a table of ``reversions``; ``paper`` has the columns model, first_size, kl and reversion_size. A
    mean is missing if one of its seeds is: a mean of the others would be too small.
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
    """With a row for the largest P less the smallest of each group; P as text."""
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
    """A value and its interval under names that all values share."""
    return keys.assign(measured=table[value], low=table[f"{value}_low"], high=table[f"{value}_high"])


def _against(measured: pd.DataFrame, cells: pd.DataFrame, keys: list[str], models: Mapping[str, str]) -> pd.DataFrame:
    """The measured cells that the paper prints, in the order that they were measured in."""
    named = measured.assign(model=measured["base"].map(dict(models)))
    table = named.merge(cells, on=["model", *keys], how="inner")
    return table.assign(difference=table["measured"] - table["published"])


def _agreement(table: pd.DataFrame, effects: "pd.Series[bool]") -> "pd.Series[str]":
    """For effects whether the signs agree; empty for cells, and where nothing could be measured."""
    same = np.where(np.sign(table["measured"]) == np.sign(table["published"]), "yes", "no")
    return pd.Series(same, index=table.index).where(effects & table["measured"].notna(), "")
