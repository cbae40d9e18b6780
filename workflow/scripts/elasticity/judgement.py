"""From rows to tables: one value a seed, then means and t intervals over seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from elasticity.judging_jobs import ReboundJudgeJob

CONFIDENCE = 0.95
"""Of every interval."""

HTML = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
  body {{ font: 14px sans-serif; margin: 1em; }}
  table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
  th, td {{ padding: 0.2em 0.8em; text-align: right; border-bottom: 1px solid #ddd; }}
</style>
{table}
"""
"""A page with one table."""


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


CELL = ["base", "first_side", "first_recipe", "second_recipe", "first_size", "second_size"]
"""What tells the cells of rebound experiments from one another."""


def rebound_seeds(scores: pd.DataFrame, job: ReboundJudgeJob) -> pd.DataFrame:
    """Mean score over prompts for each cell of an experiment and each seed.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments.
    """
    cells = cells_of(scores, job).groupby([*CELL, "seed"], sort=True)["score"]
    return whole(cells.agg(score="mean", prompts="size").reset_index())


def divergence_seeds(divergences: pd.DataFrame, job: ReboundJudgeJob) -> pd.DataFrame:
    """KL from the base model in nats per token of the answers, for each cell of an experiment and each seed.

    ``divergences`` has schema ``DIVERGENCES`` and may hold cells of other experiments.
    """
    sums = cells_of(divergences, job).groupby([*CELL, "seed"], sort=True)[["nats", "tokens"]].sum()
    return whole((sums["nats"] / sums["tokens"]).rename("kl").reset_index())


def cells_of(rows: pd.DataFrame, job: ReboundJudgeJob) -> pd.DataFrame:
    """The rows that belong to the cells of an experiment, those of a third stage left out."""
    experiment = job.experiment
    if "third_size" in rows:
        rows = rows[rows["third_size"].isna()]
    return rows[
        rows["base"].isin(experiment.bases)
        & (rows["first_side"] == experiment.first_side)
        & (rows["first_recipe"] == experiment.first_recipe)
        & (rows["second_recipe"] == experiment.second_recipe)
        & rows["seed"].isin(job.seeds)
        & rows["first_size"].isin(experiment.first_sizes)
        & rows["second_size"].isin(experiment.second_sizes)
    ]


def whole(table: pd.DataFrame) -> pd.DataFrame:
    """Sizes as whole numbers: beside base models, which have none, pandas holds them as fractions."""
    return table.astype({"first_size": int, "second_size": int, "seed": int})


def base_scores(scores: pd.DataFrame) -> "pd.Series[float]":
    """The mean score of each base model."""
    return scores[scores["first_side"].isna()].groupby("base")["score"].mean()


def rebound_table(per_seed: pd.DataFrame, job: ReboundJudgeJob, value: str) -> pd.DataFrame:
    """Mean and interval over seeds for each cell, with the updates that N examples make beside them."""
    return in_order(over_seeds(per_seed, CELL, [value]), job)


def in_order(table: pd.DataFrame, job: ReboundJudgeJob) -> pd.DataFrame:
    """Cells in the order of the experiment; rows of the same cell stay as they are."""
    table["second_updates"] = table["second_size"].map(job.second_side.updates)
    table["base"] = pd.Categorical(table["base"], job.experiment.bases)
    return table.sort_values(["base", "first_size", "second_size"], kind="stable").astype({"base": str})


def resistance_seeds(lengths: pd.DataFrame) -> pd.DataFrame:
    """Nats per token for each path of one seed: H(target, tuned), the target's own H(target), and KL(target || tuned).

    ``lengths`` has schema ``CROSS_ENTROPIES``. ``kl`` is H(target, tuned) - H(target): an estimate if the answers were
    drawn from the target without truncation, at temperature 1, and no divergence otherwise. ``kl_exact`` is that of the
    distributions of the next token at each place of the answers, however these were drawn.
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


def held_out_table(lengths: pd.DataFrame) -> pd.DataFrame:
    """Bits per byte of each corpus under each base model; ``lengths`` has schema ``HELD_OUT``."""
    sums = lengths.groupby(["base", "corpus"], sort=True)[["tokens", "utf8_bytes", "nats"]].sum()
    sums["bits_per_byte"] = sums["nats"] / np.log(2) / sums["utf8_bytes"]
    return sums.drop(columns="nats").reset_index()


def write_table(table: pd.DataFrame, csv: Path, html: Path, digits: int = 3) -> None:
    """Write a table for programs and spreadsheets, and for reading in the report; equal values give equal bytes."""
    write_csv(table, csv)
    write_html(table, html, f".{digits}f")


def write_html(table: pd.DataFrame, path: Path, number: str) -> None:
    """Write a table for reading, numbers in this format."""
    shown = table.to_html(index=False, float_format=f"{{:{number}}}".format, border=0, na_rep="")
    path.write_text(HTML.format(table=shown))


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for programs; equal values give equal bytes."""
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that ``write_csv`` wrote; a base model called ``NA`` or ``1.0`` keeps its name."""
    return pd.read_csv(path, dtype={"base": str}, keep_default_na=False, na_values=[""])
