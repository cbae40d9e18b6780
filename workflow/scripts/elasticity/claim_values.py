"""From measures to what a claim is about: one number for each seed, or for each seed and prompt."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from elasticity.claims import Claim
from elasticity.judgement import cells_of, whole
from elasticity.judging_jobs import ReboundJudgeJob

BOUNDS = ["value", "low", "high"]
"""Of a number: equal unless it is censored, and NaN where it cannot be computed."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]

DECIMALS = 12
"""Of an effect: the rest is rounding, which may be alike in all seeds and so look sure."""


def claim_values(
    claim: Claim,
    measures: Mapping[str, pd.DataFrame],
    bases: Mapping[str, Sequence[str]],
    units: Sequence[str] = ("seed",),
) -> dict[str, pd.DataFrame]:
    """The effect that a claim is about, by its parts: a row a unit, columns ``BOUNDS``.

    ``measures`` holds the long table of each experiment: a row a base, unit, P (``first_size``), pair and measure; and
    ``bases`` its base models. What the claim does not compare, P or bases, is averaged; of the pairs of slices it takes
    the mean. A unit that lacks one of the numbers is NaN.
    """
    found = {}
    for part in claim.parts:
        effect, *control = (_effect(claim, part, measures[name], bases[name], units) for name in claim.experiments)
        found[part] = (_minus(effect, control[0]) if control else effect).round(DECIMALS)
    return found


def _minus(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Differences; their bounds are as far apart as they may be."""
    opposite = other.rename(columns={"low": "high", "high": "low"})
    return (one - opposite)[BOUNDS]


def _effect(claim: Claim, part: str, table: pd.DataFrame, bases: Sequence[str], units: Sequence[str]) -> pd.DataFrame:
    own = (table["measure"] == part) & table["base"].isin(bases)
    rows = table[own & (table["pair"].isna() | (table["pair"] == "all"))]
    rows = rows.assign(first_size=rows["first_size"].fillna(0))
    sizes = sorted(rows["first_size"].unique()) or [0]
    wide = rows.pivot(index=list(units), columns=["base", "first_size"], values=BOUNDS)
    every = pd.MultiIndex.from_product([BOUNDS, bases, sizes])
    cells = wide.reindex(columns=every).to_numpy(dtype=float).reshape(len(wide), 3, len(bases), len(sizes))
    match claim.over:
        case "sizes":
            effect = _difference(cells[..., -1], cells[..., 0]).mean(axis=2)
        case "bases":
            effect = _difference(cells[:, :, -1], cells[:, :, 0]).mean(axis=2)
        case _:
            effect = cells.mean(axis=(2, 3))
    return pd.DataFrame(effect, index=wide.index, columns=BOUNDS)


def _difference(one: Numbers, other: Numbers) -> Numbers:
    """As ``_minus``; the bounds are along the second axis."""
    return one - other[:, [0, 2, 1]]


def prompt_measures(scores: pd.DataFrame, job: ReboundJudgeJob) -> pd.DataFrame:
    """The measures of ``claims.PER_PROMPT`` for each base, seed, prompt and P of an experiment, as a long table.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments; they are turned so that the first side is
    up. Their means over prompts are the measures of the experiment.
    """
    sign = 1.0 if job.experiment.first_side == "positive" else -1.0
    keys = ["base", "seed", "prompt_id"]
    cells = whole(cells_of(scores, job)).pivot(index=keys, columns=["first_size", "second_size"], values="score") * sign
    models = scores[scores["first_side"].isna()].set_index(["base", "prompt_id"])["score"] * sign
    prompts = cells.index.to_frame()[["base", "prompt_id"]]
    before = models.reindex(pd.MultiIndex.from_frame(prompts)).to_numpy()
    first, last = job.experiment.first_sizes[0], job.experiment.first_sizes[-1]
    zero, most = job.experiment.second_sizes[0], job.experiment.second_sizes[-1]
    found: dict[tuple[str, float], Any] = {}
    for size in job.experiment.first_sizes:
        found["end", size] = cells[size, most] - before
        if zero == 0:
            found["start", size] = cells[size, 0] - before
    if first != last:
        found["crossing-end", np.nan] = cells[first, most] - cells[last, most]
        if zero == 0:
            found["crossing-start", np.nan] = cells[last, 0] - cells[first, 0]
    tables = [
        differences.rename("value").reset_index().assign(measure=measure, first_size=size)
        for (measure, size), differences in found.items()
    ]
    table: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return table.assign(pair=np.nan, low=table["value"], high=table["value"])
