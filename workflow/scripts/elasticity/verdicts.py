"""Verdicts: every claim of a study is confirmed, refuted or undecided, with the numbers and a reason in words.

The seed is the unit: a claim is about one number a seed. It is confirmed if a one-sided t test says that their mean is
on the claimed side of the margin, and refuted if one says that it is on the other side, at the level ``LEVEL`` beside
all claims of its role: Holm over the confirmatory ones, Benjamini-Hochberg over the exploratory ones; tests for claims
and tests against them are families of their own. A claim of several parts is confirmed if each part is at the full
level (intersection-union), and refuted if one is not (Bonferroni). It stays undecided with fewer seeds than it asks
for, and where the calibration found that the t test confirms too often what is not there, or refutes what is: such a
test counts as one of its family, but is never among those found, or it would make room for others.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from elasticity.claim_values import BOUNDS, DECIMALS, claim_values, prompt_measures
from elasticity.claims import Claim, Role
from elasticity.inference import Effect, adjusted, bounded_effect, clustered_difference, intersection_union
from elasticity.sizing import Sizing, sizing
from elasticity.verdict_reasons import Judged, verdict
from elasticity.verdicts_jobs import JudgedClaim, VerdictsJob

COLUMNS = [
    *("claim", "hypothesis", "experiment", "measure", "over", "direction", "margin", "role", "seeds"),
    *("effect", "low", "high", "p", "p_against", "p_adjusted", "p_against_adjusted", "p_sign_flip", "sign_flip_floor"),
    *("clustered_effect", "clustered_low", "clustered_high", "verdict", "reason", "figure", "table"),
]


def verdict_seeds(job: VerdictsJob, measures: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The numbers that the claims are about: a row a claim, part and seed that is not excluded, NaN where missing."""
    tables = []
    for judged in job.claims:
        seeds = [seed for seed in job.seeds if seed not in judged.claim.exclusions]
        for part, values in claim_values(judged.claim, measures, judged.bases).items():
            rows = values.reindex(pd.Index(seeds, name="seed")).reset_index()
            tables.append(rows.assign(claim=judged.name, part=part))
    return pd.concat(tables)[["claim", "part", "seed", *BOUNDS]]


def verdict_table(
    job: VerdictsJob,
    values: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    calibration: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A row a claim, in their order, with the columns ``COLUMNS``.

    ``values`` is what ``verdict_seeds`` makes; ``scores`` holds the scores of each task (schema ``SCORES``). Effects
    and their 95 % t intervals are in the units of the measures; those of a claim of several parts are the weakest
    part's. Adjusted p-values are missing of tests that decide nothing. ``p_sign_flip`` is not adjusted. ``clustered_*``
    is the second view: paired differences of each prompt, with errors clustered by seed and prompt.
    """
    per_prompt = {name: prompt_measures(scores[j.experiment.task], j) for name, j in job.rebound.items()}
    effects = {judged.name: effect(values[values["claim"] == judged.name], judged.claim) for judged in job.claims}
    sizings = {judged.name: None if calibration is None else sizing(judged, calibration) for judged in job.claims}
    families = _families(job, effects, sizings)
    rows = []
    for judged in job.claims:
        claim, found = judged.claim, effects[judged.name]
        p_adjusted, p_against_adjusted = families[judged.name]
        own = values[values["claim"] == judged.name]
        known = own[own["value"].notna()]
        decided, reason = verdict(
            Judged(
                claim=claim,
                effect=found,
                p_adjusted=p_adjusted,
                p_against_adjusted=p_against_adjusted,
                missing=tuple(sorted(set(own["seed"]) - set(known["seed"]))),
                censored=known.loc[known["low"] < known["high"], "seed"].nunique(),
                calibrated=calibration is not None,
                sizing=sizings[judged.name],
            )
        )
        row = _declared(judged) | _numbers(claim, found) | _second_view(judged, per_prompt)
        row |= {"p_adjusted": p_adjusted, "p_against_adjusted": p_against_adjusted}
        rows.append(row | {"verdict": decided, "reason": reason})
    return pd.DataFrame(rows)[COLUMNS]


def effect(values: pd.DataFrame, claim: Claim) -> Effect:
    """Of a claim's numbers, times ``claim.sign``: large is what the claim says, ``p_less`` speaks against it.

    Of a seed without a value nothing is known, so it may have any: that the others have one may not be chance.
    """
    parts = [rows for _, rows in values.groupby("part", sort=False)]
    return intersection_union([part_effect(rows, claim.sign, claim.margin) for rows in parts])


def part_effect(rows: pd.DataFrame, sign: int = 1, margin: float = 0.0) -> Effect:
    """Of one part: its numbers times ``sign``, tested against the margin times ``sign``."""
    value, *bounds = (sign * rows[name].to_numpy(dtype=float) for name in BOUNDS)
    low, high = bounds[::sign]
    known = ~np.isnan(value)
    if known.any():
        low, high = np.where(known, low, -np.inf), np.where(known, high, np.inf)
    found = bounded_effect(low, high, sign * margin)
    mean = float(value[known].mean()) if known.any() else float("nan")
    return replace(found, mean=mean, seeds=int(known.sum()))


def _families(
    job: VerdictsJob, effects: Mapping[str, Effect], sizings: Mapping[str, Sizing | None]
) -> dict[str, tuple[float, float]]:
    """p for and p against of each claim, adjusted for the others of its role."""
    found: dict[str, tuple[float, float]] = {}
    roles: tuple[Role, ...] = get_args(Role)
    for role in roles:
        own = [judged for judged in job.claims if judged.claim.role == role]
        tests = [_deciding(judged.claim, effects[judged.name], sizings[judged.name]) for judged in own]
        claimed, against = (adjusted([test[side] for test in tests], role) for side in (0, 1))
        found.update(zip([judged.name for judged in own], zip(claimed, against, strict=True), strict=True))
    return found


def _deciding(claim: Claim, found: Effect, sized: Sizing | None) -> tuple[float, float]:
    """p for and p against; NaN where the test may not decide."""
    few = found.seeds < claim.seeds
    return (
        float("nan") if few or (sized and sized.confirms_too_often) else found.p_greater,
        float("nan") if few or (sized and sized.refutes_too_often) else found.p_less,
    )


def _declared(judged: JudgedClaim) -> dict[str, Any]:
    keys = ("hypothesis", "experiment", "measure", "over", "direction", "margin", "role")
    row = {"claim": judged.name} | {key: getattr(judged.claim, key) for key in keys}
    return row | {"figure": judged.figure, "table": judged.table}


def _numbers(claim: Claim, found: Effect) -> dict[str, float]:
    low, high = (claim.sign * bound for bound in (found.low, found.high)[:: claim.sign])
    return {
        "seeds": found.seeds,
        "effect": round(claim.sign * found.mean, DECIMALS) + 0.0,  # or a rounded -1e-17 is shown as -0
        "low": low,
        "high": high,
        "p": found.p_greater,
        "p_against": found.p_less,
        "p_sign_flip": found.sign_greater,
        "sign_flip_floor": found.floor,
    }


def _second_view(judged: JudgedClaim, per_prompt: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """The smallest mean and bounds of all parts, in the claimed direction; NaN for what prompts do not tell."""
    claim, names = judged.claim, ("clustered_effect", "clustered_low", "clustered_high")
    if not claim.is_per_prompt or not per_prompt.keys() >= set(claim.experiments):
        return dict.fromkeys(names, float("nan"))
    parts = []
    for values in claim_values(claim, per_prompt, judged.bases, ("seed", "prompt_id")).values():
        rows = values["value"].rename("difference").reset_index()
        rows = rows[~rows["seed"].isin(list(claim.exclusions))]
        parts.append(clustered_difference(rows.assign(difference=claim.sign * rows["difference"])))
    mean, low, high = np.min(parts, axis=0)
    return dict(zip(names, [claim.sign * mean, *sorted([claim.sign * low, claim.sign * high])], strict=True))
