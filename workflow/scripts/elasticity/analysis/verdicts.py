"""Verdicts: every claim of a study is confirmed, refuted or undecided, with the numbers and a reason in words.

The seed is the unit of replication: a claim is about one number per seed. It is confirmed if a one-sided t test finds
their mean beyond 0 on the claimed side, and refuted if one finds it to be smaller than the claim's margin, the smallest
effect that matters. Both may hold: then the effect is there, but smaller than matters. The level ``LEVEL`` holds for
all claims of a role: p-values are adjusted by Holm over the confirmatory claims and by Benjamini-Hochberg over the
exploratory ones, and tests for claims and tests against them are two families. A claim of several parts is confirmed if
each part is at the full level (intersection-union), and refuted if one part is (Bonferroni). It stays undecided with
fewer seeds than it asks for, and where the calibration found that the t test confirms absent effects or refutes present
ones too often. Such a test counts as one of its family, but cannot be significant, or it would lower the threshold of
the others. A study that plans looks after rounds of seeds is tested after each of them, with p-values that hold for all
(``analysis.looks``). A claim is not testable, and not tested, where a check that its measure needs fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd

from elasticity.analysis.aggregation import base_draws, cells_of, whole
from elasticity.analysis.hypothesis_tests import (
    Effect,
    adjusted,
    bounded_effect,
    clustered_difference,
    intersection_union,
    without_numbers,
)
from elasticity.analysis.jobs import PlannedClaim, ReboundTableJob, VerdictsJob
from elasticity.analysis.looks import after_looks, made
from elasticity.analysis.verdict_reasons import (
    ErrorRates,
    Evidence,
    checks_of,
    error_rates,
    failing,
    not_testable,
    shown_checks,
    verdict,
)
from elasticity.config.claims import Claim, Role

BOUNDS = ["value", "low", "high"]
"""The columns of a bounded number: equal unless it is censored, and NaN where it cannot be computed."""


Numbers = np.ndarray[Any, np.dtype[np.float64]]


DECIMALS = 12
"""The decimals of an effect; more are rounding errors, which may be equal in all seeds and so look significant."""


def claim_values(
    claim: Claim,
    measures: Mapping[str, pd.DataFrame],
    bases: Mapping[str, Sequence[str]],
    units: Sequence[str] = ("seed",),
) -> dict[str, pd.DataFrame]:
    """The effect that a claim is about, for each of its parts: one row per unit, columns ``BOUNDS``.

    ``measures`` holds the long table of each experiment, with one row for each base, unit, P (``alignment_size``), pair
    and measure, and ``bases`` its base models. P and bases that the claim does not compare are averaged, and of the
    pairs of slices the mean is taken. A unit that lacks one of the numbers is NaN.
    """
    found = {}
    for part in claim.parts:
        effect, *control = (_effect(claim, part, measures[name], bases[name], units) for name in claim.experiments)
        found[part] = (_minus(effect, control[0]) if control else effect).round(DECIMALS)
    return found


def _minus(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Differences of bounded numbers; their bounds are the widest possible."""
    opposite = other.rename(columns={"low": "high", "high": "low"})
    return (one - opposite)[BOUNDS]


def _effect(claim: Claim, part: str, table: pd.DataFrame, bases: Sequence[str], units: Sequence[str]) -> pd.DataFrame:
    own = (table["measure"] == part) & table["base"].isin(bases)
    rows = table[own & (table["pair"].isna() | (table["pair"] == "all"))]
    rows = rows.assign(alignment_size=rows["alignment_size"].fillna(0))
    sizes = sorted(rows["alignment_size"].unique()) or [0]
    wide = rows.pivot(index=list(units), columns=["base", "alignment_size"], values=BOUNDS)
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
    """Differences as in ``_minus``, of arrays with the bounds along the second axis."""
    return one - other[:, [0, 2, 1]]


def prompt_measures(scores: pd.DataFrame, job: ReboundTableJob) -> pd.DataFrame:
    """The measures with ``per_prompt`` for each base, seed, prompt and P of an experiment, as a long table.

    ``scores`` has schema ``SCORES`` and may hold cells of other experiments; they are oriented so that the direction of
    the alignment stage is up. The means over prompts are the measures of the experiment.
    """
    sign = 1.0 if job.experiment.alignment_side == "positive" else -1.0
    keys = ["base", "seed", "prompt_id"]
    cells = (
        whole(cells_of(scores, job)).pivot(index=keys, columns=["alignment_size", "inverse_size"], values="score")
        * sign
    )
    before = (base_draws(scores, job.seeds).groupby(keys)["score"].mean() * sign).reindex(cells.index)
    first, last = job.experiment.alignment_sizes[0], job.experiment.alignment_sizes[-1]
    zero, most = job.experiment.inverse_sizes[0], job.experiment.inverse_sizes[-1]
    found: dict[tuple[str, float], Any] = {}
    for size in job.experiment.alignment_sizes:
        found["end", size] = cells[size, most] - before
        if zero == 0:
            found["start", size] = cells[size, 0] - before
    if first != last:
        found["crossing-end", np.nan] = cells[first, most] - cells[last, most]
        if zero == 0:
            found["crossing-start", np.nan] = cells[last, 0] - cells[first, 0]
    tables = [
        differences.rename("value").reset_index().assign(measure=measure, alignment_size=size)
        for (measure, size), differences in found.items()
    ]
    table: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return table.assign(pair=np.nan, low=table["value"], high=table["value"])


COLUMNS = [
    *("claim", "hypothesis", "experiment", "measure", "over", "direction", "margin", "role", "seeds"),
    *("effect", "low", "high", "p", "p_against", "p_adjusted", "p_against_adjusted", "p_sign_flip", "sign_flip_floor"),
    *("clustered_effect", "clustered_low", "clustered_high", "checks"),
    *("verdict", "more_seeds", "reason", "figure", "table"),
]


def verdict_seeds(job: VerdictsJob, measures: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The numbers that the claims are about: one row for each claim, part and seed that is not excluded."""
    tables = []
    for planned in job.claims:
        seeds = [seed for seed in job.seeds[: planned.max_seeds] if seed not in planned.claim.exclusions]
        for part, values in claim_values(planned.claim, measures, planned.bases).items():
            rows = values.reindex(pd.Index(seeds, name="seed")).reset_index()
            tables.append(rows.assign(claim=planned.name, part=part))
    return pd.concat(tables)[["claim", "part", "seed", *BOUNDS]]


def verdict_table(
    job: VerdictsJob,
    values: pd.DataFrame,
    scores: Mapping[str, pd.DataFrame],
    calibration: pd.DataFrame | None = None,
    checks: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """One row per claim, in their order, with the columns ``COLUMNS``.

    ``values`` is the result of ``verdict_seeds``; ``scores`` holds the scores of each task (schema ``SCORES``).
    Effects and their 95 % t intervals are in the units of the measures; those of a claim of several parts are the
    weakest part's. ``checks`` holds the table of checks of each experiment; a claim of whose checks one fails is not
    tested, and has no numbers. ``more_seeds`` tells whether more seeds may decide it. Adjusted p-values are missing
    for tests that decide nothing. ``p_sign_flip`` is not adjusted. The columns ``clustered_*`` are a second view:
    paired differences of each prompt, with errors clustered by seed and prompt.
    """
    per_prompt = {name: prompt_measures(scores[j.experiment.task], j) for name, j in job.rebound.items()}
    effects = {planned.name: effect(values[values["claim"] == planned.name], planned.claim) for planned in job.claims}
    checked = {planned.name: checks_of(planned, checks or {}) for planned in job.claims}
    testable = {name: bool(found["holds"].all()) for name, found in checked.items()}
    tests = {it.name: _after_looks(job, values, it) if testable[it.name] else (np.nan, np.nan) for it in job.claims}
    all_error_rates = {
        planned.name: None if calibration is None else error_rates(planned, calibration) for planned in job.claims
    }
    families = _families(job, tests, all_error_rates)
    rows = []
    for planned in job.claims:
        claim, found = planned.claim, effects[planned.name]
        p_adjusted, p_against_adjusted = families[planned.name]
        own = values[values["claim"] == planned.name]
        known = own[own["value"].notna()]
        decided, reason = verdict(
            Evidence(
                claim=claim,
                effect=found,
                p_adjusted=p_adjusted,
                p_against_adjusted=p_against_adjusted,
                missing=tuple(sorted(set(own["seed"]) - set(known["seed"]))),
                censored=known.loc[known["low"] < known["high"], "seed"].nunique(),
                calibrated=calibration is not None,
                error_rates=all_error_rates[planned.name],
            )
        )
        helps = decided == "undecided"
        if not testable[planned.name]:
            decided, reason = not_testable(checked[planned.name])
            helps = bool(failing(checked[planned.name])["more_seeds"].all())
            found = without_numbers(found)
        more_seeds = helps and not (planned.max_seeds and planned.max_seeds <= len(job.seeds))
        row = _declared(planned) | _numbers(claim, found)
        row |= _second_view(planned, per_prompt if testable[planned.name] else {})
        row |= {"checks": shown_checks(checked[planned.name])}
        row |= {"p_adjusted": p_adjusted, "p_against_adjusted": p_against_adjusted}
        rows.append(row | {"verdict": decided, "more_seeds": more_seeds, "reason": reason})
    return pd.DataFrame(rows)[COLUMNS]


def effect(values: pd.DataFrame, claim: Claim) -> Effect:
    """The effect of a claim's numbers times ``claim.sign``.

    ``p_greater`` is for the claim, that the mean is greater than 0; ``p_less`` is against it, that the mean is less
    than the margin.

    A seed without a value may have any value, because a missing value may not be chance.
    """
    parts = [rows for _, rows in values.groupby("part", sort=False)]
    return intersection_union([part_effect(rows, claim.sign, claim.margin) for rows in parts])


def part_effect(rows: pd.DataFrame, sign: int = 1, margin: float = 0.0) -> Effect:
    """The effect of one part: its numbers times ``sign``, tested for more than 0 and for less than ``margin``."""
    value, *bounds = (sign * rows[name].to_numpy(dtype=float) for name in BOUNDS)
    low, high = bounds[::sign]
    known = ~np.isnan(value)
    if known.any():
        low, high = np.where(known, low, -np.inf), np.where(known, high, np.inf)
    found = bounded_effect(low, high, margin)
    mean = float(value[known].mean()) if known.any() else float("nan")
    return replace(found, mean=mean, seeds=int(known.sum()))


def _after_looks(job: VerdictsJob, values: pd.DataFrame, planned: PlannedClaim) -> tuple[float, float]:
    """The p-values for and against a claim, which hold for all looks made; NaN with too few seeds."""
    p, own = [], values[values["claim"] == planned.name]
    for look in made(job.looks, len(job.seeds)):
        found = effect(own[own["seed"].isin(job.seeds[:look])], planned.claim)
        few = found.seeds < planned.claim.seeds
        p.append([float("nan")] * 2 if few else [found.p_greater, found.p_less])
    looks = job.looks or (len(job.seeds),)
    claimed, against = (float(side[-1]) for side in after_looks(np.transpose(p), looks))
    return (float("nan"), float("nan")) if np.isnan(p[-1]).all() else (claimed, against)


def _families(
    job: VerdictsJob, found_p: Mapping[str, tuple[float, float]], all_error_rates: Mapping[str, ErrorRates | None]
) -> dict[str, tuple[float, float]]:
    """The p-values for and against each claim, adjusted for the other claims of its role."""
    found: dict[str, tuple[float, float]] = {}
    roles: tuple[Role, ...] = get_args(Role)
    for role in roles:
        own = [planned for planned in job.claims if planned.claim.role == role]
        tests = [_deciding(found_p[planned.name], all_error_rates[planned.name]) for planned in own]
        claimed, against = (adjusted([test[side] for test in tests], role) for side in (0, 1))
        found.update(zip([planned.name for planned in own], zip(claimed, against, strict=True), strict=True))
    return found


def _deciding(p: tuple[float, float], sized: ErrorRates | None) -> tuple[float, float]:
    """The p-values for and against a claim; NaN where the test may not decide."""
    return (
        float("nan") if sized and sized.confirms_too_often else p[0],
        float("nan") if sized and sized.refutes_too_often else p[1],
    )


def _declared(planned: PlannedClaim) -> dict[str, Any]:
    keys = ("hypothesis", "experiment", "measure", "over", "direction", "margin", "role")
    row = {"claim": planned.name} | {key: getattr(planned.claim, key) for key in keys}
    return row | {"figure": planned.figure, "table": planned.table}


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


def _second_view(planned: PlannedClaim, per_prompt: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """The smallest mean and bounds of all parts, in the claimed direction; NaN if prompts have no values."""
    claim, names = planned.claim, ("clustered_effect", "clustered_low", "clustered_high")
    if not claim.is_per_prompt or not per_prompt.keys() >= set(claim.experiments):
        return dict.fromkeys(names, float("nan"))
    parts = []
    for values in claim_values(claim, per_prompt, planned.bases, ("seed", "prompt_id")).values():
        rows = values["value"].rename("difference").reset_index()
        rows = rows[~rows["seed"].isin(list(claim.exclusions))]
        parts.append(clustered_difference(rows.assign(difference=claim.sign * rows["difference"])))
    mean, low, high = np.min(parts, axis=0)
    return dict(zip(names, [claim.sign * mean, *sorted([claim.sign * low, claim.sign * high])], strict=True))
