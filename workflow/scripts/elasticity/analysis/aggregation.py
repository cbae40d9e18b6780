"""From rows to tables: one value a seed, then means and t intervals over seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from elasticity.analysis.jobs import ReboundTableJob

CONFIDENCE = 0.95
"""Of every interval."""


def over_seeds(per_seed: pd.DataFrame, keys: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Mean and t interval of each value over the rows of each group: one row a seed comes in, one row a group out.

    For a value ``x`` the columns are ``x``, ``x_low`` and ``x_high``; ``seeds`` counts the rows. The seed is the unit
    of replication, so nothing else enters the interval. With one seed the bounds are missing: it says nothing about
    how results vary between seeds.
    """
    rows = []
    for key, group in per_seed.groupby(list(keys), sort=True, dropna=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True)) | {"seeds": len(group)}
        for value in values:
            row[value], row[f"{value}_low"], row[f"{value}_high"] = t_interval(group[value].to_numpy())
        rows.append(row)
    return pd.DataFrame(rows)


def t_interval(values: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[float, float, float]:
    """Mean, and the bounds of its t interval at 95 %; NaN bounds for a single value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
    return mean, mean - half, mean + half


CELL = ["base", "alignment_side", "alignment_recipe", "inverse_recipe", "alignment_size", "inverse_size"]
"""What tells the cells of rebound experiments from one another."""


def rebound_seeds(scores: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """Mean score over prompts for each cell of an experiment and each seed.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments.
    """
    cells = cells_of(scores, job).groupby([*CELL, "seed"], sort=True)["score"]
    return whole(cells.agg(score="mean", prompts="size").reset_index())


def divergence_seeds(divergences: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """KL from the base model in nats per token of the responses, for each cell of an experiment and each seed.

    ``divergences`` has schema ``DIVERGENCES`` and may hold cells of other experiments.
    """
    sums = cells_of(divergences, job).groupby([*CELL, "seed"], sort=True)[["nats", "tokens"]].sum()
    return whole((sums["nats"] / sums["tokens"]).rename("kl").reset_index())


def cells_of(rows: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """The rows that belong to the cells of an experiment, those of a realignment stage left out."""
    experiment = job.experiment
    if "realignment_size" in rows:
        rows = rows[rows["realignment_size"].isna()]
    return rows[
        rows["base"].isin(experiment.bases)
        & (rows["alignment_side"] == experiment.alignment_side)
        & (rows["alignment_recipe"] == experiment.alignment_recipe)
        & (rows["inverse_recipe"] == experiment.inverse_recipe)
        & rows["seed"].isin(job.seeds)
        & rows["alignment_size"].isin(experiment.alignment_sizes)
        & rows["inverse_size"].isin(experiment.inverse_sizes)
    ]


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """Sizes as whole numbers: beside base models, which have none, pandas holds them as fractions."""
    return table.astype({"alignment_size": int, "inverse_size": int, "seed": int})


def base_scores(scores: pd.DataFrame) -> "pd.Series[float]":
    """The mean score of each base model."""
    return scores[scores["alignment_side"].isna()].groupby("base")["score"].mean()


def rebound_table(per_seed: pd.DataFrame, job: ReboundTableJob, value: str) -> pd.DataFrame:
    """Mean and interval over seeds for each cell, with the updates that N examples make beside them."""
    return in_order(over_seeds(per_seed, CELL, [value]), job)


def in_order(table: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """Cells in the order of the experiment; rows of the same cell stay as they are."""
    table["inverse_updates"] = table["inverse_size"].map(job.inverse.updates)
    table["base"] = pd.Categorical(table["base"], job.experiment.bases)
    return table.sort_values(["base", "alignment_size", "inverse_size"], kind="stable").astype({"base": str})


def resistance_seeds(lengths: pd.DataFrame) -> pd.DataFrame:
    """Nats per token for each path of one seed: H(target, tuned), the target's own H(target), and KL(target || tuned).

    ``lengths`` has schema ``CROSS_ENTROPIES``. ``kl`` is H(target, tuned) - H(target): an estimate if the responses were
    drawn from the target without truncation, at temperature 1, and no divergence otherwise. ``kl_exact`` is that of the
    distributions of the next token at each place of the responses, however these were drawn.
    """
    columns = ["tokens", "tuned_nats", "target_nats", "kl_nats"]
    sums = lengths.groupby(["start", "target"], sort=True)[columns].sum()
    table = pd.DataFrame(
        {
            "cross_entropy": sums["tuned_nats"] / sums["tokens"],
            "own_entropy": sums["target_nats"] / sums["tokens"],
            "kl": (sums["tuned_nats"] - sums["target_nats"]) / sums["tokens"],
            "kl_exact": sums["kl_nats"] / sums["tokens"],
        }
    ).reset_index()
    table.insert(0, "pair", [f"{min(p)}-{max(p)}" for p in zip(table["start"], table["target"], strict=True)])
    table.insert(1, "direction", np.where(table["start"] < table["target"], "forward", "inverse"))
    return table


def training_loss(losses: pd.DataFrame) -> float:
    """Mean loss of a run in nats per target token (schema ``LOSSES``): each batch before the update on it."""
    return float(np.average(losses["loss"], weights=losses["tokens"]))


def resistance_table(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Means and intervals over seeds for each base, pair and direction, and for forward minus inverse."""
    values = ["training_loss", "cross_entropy", "own_entropy", "kl", "kl_exact"]
    keys = ["base", "pair", "direction"]
    wide = per_seed.pivot(index=["base", "pair", "seed"], columns="direction", values=values)
    differences = pd.DataFrame({value: wide[value]["forward"] - wide[value]["inverse"] for value in values})
    differences = differences.reset_index().assign(direction="forward - inverse")
    return over_seeds(pd.concat([per_seed[[*keys, "seed", *values]], differences]), keys, values)


def bits_per_byte_table(lengths: pd.DataFrame) -> pd.DataFrame:
    """Bits per byte of each corpus under each base model; ``lengths`` has schema ``BITS_PER_BYTE``."""
    sums = lengths.groupby(["base", "corpus"], sort=True)[["tokens", "utf8_bytes", "nats"]].sum()
    sums["bits_per_byte"] = sums["nats"] / np.log(2) / sums["utf8_bytes"]
    return sums.drop(columns="nats").reset_index()


VALUES = [f"{value}_{when}" for when in ("before", "after") for value in ("first", "second", "gap", "mean_gap")]
"""Own entropies of the two slices in nats per token, second less first, and the mean of that over prompts: of all
prompts, and of those that were chosen."""


def entropy_seeds(chosen: pd.DataFrame) -> pd.DataFrame:
    """What ``VALUES`` names for each pair and kind of responses of one seed; ``chosen`` has schema ``CHOSEN``."""
    rows = []
    for (first, second, responses), group in chosen.groupby(["first", "second", "responses"], sort=True):
        after = group[group["chosen"]]
        row = {
            "pair": f"{first}-{second}",
            "responses": responses,
            "prompts": len(group),
            "chosen": len(after),
        }
        for when, part in {"before": group, "after": after}.items():
            row |= {f"{name}_{when}": value for name, value in _entropies(part).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def entropy_table(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Means and intervals over seeds for each base, pair and kind of responses."""
    return over_seeds(per_seed, ["base", "pair", "responses", "prompts", "chosen"], VALUES)


def _entropies(rows: pd.DataFrame) -> dict[str, float]:
    pooled = {name: float(rows[f"{name}_nats"].sum() / rows[f"{name}_tokens"].sum()) for name in ("first", "second")}
    gaps = rows["second_nats"] / rows["second_tokens"] - rows["first_nats"] / rows["first_tokens"]
    return pooled | {"gap": pooled["second"] - pooled["first"], "mean_gap": float(gaps.mean())}
