"""The measures of an experiment as a table: one row a seed, and what these rows say together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from elasticity.analysis.aggregation import t_interval
from elasticity.analysis.measures import (
    Floats,
    area,
    crossing,
    end,
    initial_rate,
    matched_fall,
    overshoot,
    reversal_ratio,
    start,
    two_phase,
)
from elasticity.analysis.tables import read_csv

REBOUND = (
    *("start", "end", "crossing-start", "crossing-end", "reversal-ratio"),
    *("initial-rate", "two-phase", "area", "overshoot", "matched-fall"),
)
"""Measures of rebound experiments; see ``measures``."""


GAPS = {
    "kl-gap": "kl_exact",
    "entropy-gap": "own_entropy",
    "cross-entropy-gap": "cross_entropy",
    "training-loss-gap": "training_loss",
}
"""Measures of resistance experiments, forward minus inverse in nats per token, and the columns they are taken from."""


ALL_PAIRS = "all"
"""The mean over the pairs of slices, in column ``pair``."""


COLUMNS = ["base", "seed", "alignment_size", "pair", "measure", "value", "low", "high"]


GROUP = ["measure", "base", "alignment_size", "pair"]
"""What the rows of several seeds have in common."""


def rebound_measures(per_seed: pd.DataFrame, base_scores: "pd.Series[float]") -> pd.DataFrame:
    """All measures of a rebound experiment, by the mean score of each cell and seed and the score of each base.

    ``per_seed`` is what ``rebound_seeds`` makes, ``base_scores`` has base models as index. Scores are turned so that
    the alignment stage is up.
    """
    parts = [_of_base(str(base), rows, base_scores[base]) for base, rows in per_seed.groupby("base")]
    return in_columns(pd.concat(parts))


def _of_base(base: str, rows: pd.DataFrame, base_score: float) -> pd.DataFrame:
    sign = -1 if (rows["alignment_side"] == "negative").all() else 1
    seeds, firsts, seconds = (sorted(rows[name].unique()) for name in ("seed", "alignment_size", "inverse_size"))
    wide = rows.set_index(["seed", "alignment_size", "inverse_size"])["score"].unstack()
    cells = wide.reindex(pd.MultiIndex.from_product([seeds, firsts]))
    scores = sign * cells.to_numpy(dtype=float).reshape(len(seeds), len(firsts), len(seconds))
    parts = []
    for measure, (low, high) in bounds(np.array(firsts), np.array(seconds), scores, sign * base_score).items():
        sizes = firsts if low.ndim == 2 else [pd.NA]
        part = pd.DataFrame([(seed, size) for seed in seeds for size in sizes], columns=["seed", "alignment_size"])
        parts.append(part.assign(measure=measure, low=low.ravel(), high=high.ravel()))
    return pd.concat(parts).assign(base=base)


def bounds(firsts: Floats, sizes_n: Floats, scores: Floats, base: float | Floats) -> dict[str, tuple[Floats, Floats]]:
    """Each measure of scores of shape (seeds, P, N): what it is at least and at most, shape (seeds, P) or (seeds,)."""
    crossed_start, crossed_end = crossing(scores)
    known: dict[str, Floats] = {
        "start": start(sizes_n, scores, base),
        "end": end(sizes_n, scores, base),
        "crossing-start": crossed_start if sizes_n[0] == 0 else np.full_like(crossed_start, np.nan),
        "crossing-end": crossed_end,
        "initial-rate": initial_rate(sizes_n, scores),
        "two-phase": two_phase(sizes_n, scores),
        "area": area(sizes_n, scores, base),
        "overshoot": overshoot(scores, base),
        "matched-fall": matched_fall(sizes_n, scores),
    }
    found = {measure: (value, value) for measure, value in known.items()}
    found["reversal-ratio"] = reversal_ratio(sizes_n, scores, base, firsts)
    return {measure: found[measure] for measure in REBOUND}


def resistance_measures(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Forward minus inverse for each base, seed and pair of slices, and the mean over pairs.

    ``per_seed`` is the table of the seeds of a resistance experiment.
    """
    wide = per_seed.pivot(index=["base", "seed", "pair"], columns="direction", values=[*GAPS.values()])
    parts = []
    for measure, column in GAPS.items():
        gaps = (wide[column]["forward"] - wide[column]["inverse"]).rename("low").reset_index()
        means = gaps.groupby(["base", "seed"])["low"].agg(lambda pairs: pairs.mean(skipna=False)).reset_index()
        parts.append(pd.concat([gaps, means.assign(pair=ALL_PAIRS)]).assign(measure=measure))
    table = pd.concat(parts)
    return in_columns(table.assign(high=table["low"]))


def in_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a measures table: ``value`` is both bounds, or the finite one where the other is not."""
    value = table["low"].where(np.isfinite(table["low"]), table["high"])
    return table.assign(value=value).reindex(columns=COLUMNS).astype({"alignment_size": "Int64", "seed": int})


def in_order(table: pd.DataFrame, bases: Sequence[str]) -> pd.DataFrame:
    """By measure, base, P or pair, and seed; bases as the study names them."""
    orders = {"measure": [*REBOUND, *GAPS], "base": list(bases)}
    keys = {name: pd.Categorical(table[name], order) for name, order in orders.items()}
    table = table.assign(**keys).sort_values([*GROUP, "seed"], na_position="first", ignore_index=True)
    return table.astype(dict.fromkeys(orders, str))


def measures_summary(table: pd.DataFrame) -> pd.DataFrame:
    """What the seeds say together: a row for each measure, base, P and pair, in the order of the measures table.

    ``seeds`` have a value; of these, ``at_least`` and ``at_most`` are known by one bound only, and where there are
    such, mean and 95 % t interval (``mean_low``, ``mean_high``) are missing: they would be those of the bounds. Of
    ``missing`` seeds the measure could not be computed.
    """
    rows = []
    for key, group in table.groupby(GROUP, sort=False, dropna=False):
        found = group.dropna(subset="value")
        at_least, at_most = int(np.isinf(found["high"]).sum()), int(np.isinf(found["low"]).sum())
        row: dict[str, Any] = dict(zip(GROUP, key, strict=True))
        row |= {"seeds": len(found), "at_least": at_least, "at_most": at_most, "missing": len(group) - len(found)}
        whole = len(found) > 0 and not at_least and not at_most
        means = t_interval(found["value"].to_numpy()) if whole else (np.nan,) * 3
        row |= dict(zip(("mean", "mean_low", "mean_high"), means, strict=True))
        rows.append(row | {"least": found["value"].min(), "most": found["value"].max()})
    return pd.DataFrame(rows).astype({"alignment_size": "Int64"})


def read_measures(path: Path) -> pd.DataFrame:
    """Read a measures table from its CSV."""
    return read_csv(path).astype({"alignment_size": "Int64", "pair": "object"})
