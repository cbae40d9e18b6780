"""The verdict on a claim, and its reason in words."""

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from elasticity.analysis.hypothesis_tests import LEVEL, Effect
from elasticity.analysis.jobs import PlannedClaim
from elasticity.config.checks import CHECKS, Check
from elasticity.config.claims import Claim, Verdict

ERRORS = 3
"""The number of Monte Carlo errors that a rate may be off, so that few of many correct tests are rejected."""


UNEQUAL = "relaxation"
"""The scenario in which a claim within one experiment may be far on the other side of 0, so that it is right to refute
it."""


@dataclass(frozen=True)
class ErrorRates:
    """How often the t test of a claim is wrong in simulated experiments of the claim's design.

    ``confirms`` is the share in which it confirms an absent effect, ``refutes`` the share in which it refutes an effect
    that is present or exactly at the margin. ``confirms_too_often`` and ``refutes_too_often`` say whether these shares
    are above the level of the test.
    """

    confirms: float
    confirms_too_often: bool
    refutes: float
    refutes_too_often: bool


def allowance(draws: "pd.Series[int]") -> "pd.Series[float]":
    """How far a rate may be above the level of a correct test, or below the confidence of an interval, by chance.

    ``draws`` is the number of simulated experiments.
    """
    return ERRORS * (LEVEL * (1 - LEVEL) / draws) ** 0.5


def error_rates(planned: PlannedClaim, calibration: pd.DataFrame) -> ErrorRates | None:
    """The worst error rates of the t test of a claim; None if the calibration does not cover it.

    ``calibration`` is the result of ``calibration_table``, which tries claims in the direction of the paper only. Of
    an experiment and its control the one with fewer seeds counts.
    """
    claim = planned.claim
    keys = {"measure": claim.measure, "over": planned.compares, "direction": claim.direction}
    own = np.logical_and.reduce([calibration[key] == value for key, value in keys.items()])
    designs = calibration["design"].str.split(", ").map(lambda names: not {*names}.isdisjoint(claim.experiments))
    rows = calibration[own & designs & (calibration["test"] == "t")]
    rows = rows[rows["seeds"] == rows["seeds"].min()]
    null = rows[rows["role"] == "size"]
    if null.empty:
        return None
    within = planned.compares in ("value", "sizes")
    held = rows[~((rows["scenario"] == UNEQUAL) & within)]
    return ErrorRates(
        confirms=float(null["rate"].max()),
        confirms_too_often=not null["sized"].astype(bool).all(),
        refutes=float(held["against"].max()),
        refutes_too_often=bool((held["against"] > LEVEL + allowance(held["draws"])).any()),
    )


def checks_of(planned: PlannedClaim, checks: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of tables of checks that a claim rests on: those that its measure needs, of all of its base models."""
    parts = [
        checks[name][checks[name]["check"].isin(planned.claim.entry.needs) & checks[name]["base"].isin(bases)].assign(
            experiment=name
        )
        for name, bases in planned.bases.items()
        if name in checks
    ]
    return (
        pd.concat(parts)
        if parts
        else pd.DataFrame(columns=["experiment", "base", "check", "value", "holds", "more_seeds"])
    )


def failing(checked: pd.DataFrame) -> pd.DataFrame:
    """The checks that do not hold."""
    return checked[~checked["holds"].astype(bool)]


def not_testable(checked: pd.DataFrame) -> tuple[Verdict, str]:
    """The verdict on a claim of whose checks one fails, and which one."""
    failed = failing(checked).drop_duplicates("check")
    reasons = [
        f"{check.failed} ({check.title}: {row['value']:.3g}, needed {check.needed}; "
        f"{row['base']} in {row['experiment']})"
        for check, row in _with_checks(failed)
    ]
    text = "; ".join(reasons)
    hope = " More seeds may tell." if failed["more_seeds"].all() else ""
    return "not testable", f"{text[0].upper()}{text[1:]}.{hope}"


def shown_checks(checked: pd.DataFrame) -> str:
    """The number of each check, of the base model and experiment where it is worst, in words."""
    worst = checked.sort_values("holds", kind="stable").drop_duplicates("check").sort_values("check")
    return "; ".join(
        f"{check.name} {row['value']:.3g} ({'' if row['holds'] else 'not '}{check.needed})"
        for check, row in _with_checks(worst)
    )


def _with_checks(checked: pd.DataFrame) -> Iterator[tuple[Check, dict[Hashable, Any]]]:
    """Yield the rows of a table of checks with the check that each is about."""
    yield from ((CHECKS[row["check"]], row) for row in checked.to_dict(orient="records"))


@dataclass(frozen=True)
class Evidence:
    """A claim and its evidence: the effect times ``claim.sign``, and its p-values adjusted for the other claims.

    Adjusted p-values are NaN for tests that may not decide. ``effect.seeds`` counts the seeds with a value, ``missing``
    lists the seeds without one, and ``censored`` counts those of which only a bound is known. ``error_rates`` is None
    if the test was not calibrated, and ``calibrated`` says whether the study calibrates tests at all.
    """

    claim: Claim
    effect: Effect
    p_adjusted: float
    p_against_adjusted: float
    missing: tuple[int, ...]
    censored: int
    calibrated: bool
    error_rates: ErrorRates | None


def verdict(planned: Evidence) -> tuple[Verdict, str]:
    """The verdict and its reason: first what decides it, then notes."""
    found, why = _decision(planned)
    return found, " ".join([why, *_notes(planned, found)])


def _decision(planned: Evidence) -> tuple[Verdict, str]:
    claim, effect = planned.claim, planned.effect
    if effect.seeds == 0:
        return (
            "undecided",
            f"{claim.measure} cannot be computed of these cells: too few sizes, or nothing rose or fell.",
        )
    if effect.seeds < claim.seeds:
        return "undecided", f"Too few seeds: {effect.seeds} of the {claim.seeds} that the claim asks for."
    shown, (claimed, other) = _shown(planned), {1: ("above", "below"), -1: ("below", "above")}[claim.sign]
    present = f"is {claimed} 0: p = {planned.p_adjusted:.2g}, adjusted"
    small = f"is {other} {_margin(claim)}: p = {planned.p_against_adjusted:.2g}, adjusted"
    if is_small(planned.p_adjusted, planned.p_against_adjusted):
        return "confirmed", f"There, but smaller than matters: {shown} {present}, and {small}."
    if planned.p_adjusted <= LEVEL:
        return "confirmed", f"{shown} {present}."
    if planned.p_against_adjusted <= LEVEL:
        return "refuted", f"{shown} {small}."
    if planned.error_rates and effect.p_greater <= LEVEL and planned.error_rates.confirms_too_often:
        wrong = f"confirms what is not there in {planned.error_rates.confirms:.1%}"
        return "undecided", f"{shown}, but the calibration finds that its t test {wrong} of all studies."
    if planned.error_rates and effect.p_less <= LEVEL and planned.error_rates.refutes_too_often:
        wrong = f"refutes what it should not in {planned.error_rates.refutes:.1%}"
        return "undecided", f"{shown}, but the calibration finds that its t test {wrong} of all studies."
    least = min((effect.p_greater, planned.p_adjusted), (effect.p_less, planned.p_against_adjusted))
    if least[0] <= LEVEL:
        return (
            "undecided",
            f"{shown}: p = {least[0]:.2g} alone, but {least[1]:.2g} beside all {claim.role} claims and planned looks.",
        )
    if effect.low <= 0 <= claim.margin <= effect.high:
        both = f"0 and {_margin(claim)}" if claim.margin else "0"
        return "undecided", f"{shown}: the interval contains {both}."
    return "undecided", f"{shown}: p = {least[0]:.2g}."


def is_small(p_adjusted: float, p_against_adjusted: float) -> bool:
    """Whether an effect is shown to be there, and to be smaller than the smallest one that matters."""
    return p_adjusted <= LEVEL and p_against_adjusted <= LEVEL


def _margin(claim: Claim) -> str:
    """The smallest effect that matters, on the claimed side of 0."""
    return f"{claim.sign * claim.margin:g}, the smallest effect that matters" if claim.margin else "0"


def _shown(planned: Evidence) -> str:
    """The effect as measured, with its interval."""
    effect, sign = planned.effect, planned.claim.sign
    low, high = (sign * bound for bound in (effect.low, effect.high)[::sign])
    weakest = " (the weakest part)" if len(planned.claim.parts) > 1 else ""
    return with_bounds(sign * effect.mean, low, high) + weakest


def _notes(planned: Evidence, found: Verdict) -> Iterator[str]:
    claim, effect = planned.claim, planned.effect
    seeds = "one seed" if effect.seeds == 1 else f"{effect.seeds} seeds"
    sign_flip = effect.sign_less if found == "refuted" else effect.sign_greater
    if effect.seeds and effect.floor > LEVEL:
        yield f"With {seeds} a sign-flip test cannot go below {effect.floor:g}: a decision rests on the t test alone."
    elif found != "undecided" and sign_flip > LEVEL:
        yield f"A sign-flip test, which asks less of the numbers, does not go so far: p = {sign_flip:.2g}."
    compared = {"confirmed": 0.0, "refuted": claim.margin}.get(found, math.nan)
    if effect.low <= compared <= effect.high:
        yield f"The interval, two-sided, contains {claim.sign * compared + 0.0:g}; the test, one-sided, asks for less."
    if effect.seeds and planned.censored:
        yield f"Only a bound is known of {planned.censored} of {seeds}: tests take the one that is least favourable."
    if effect.seeds and planned.missing:
        listed = f"seed{'s' * (len(planned.missing) > 1)} {', '.join(map(str, planned.missing))}"
        yield f"Nothing is known of {listed}: there the measure cannot be computed."
    if claim.exclusions:
        left_out = "; ".join(f"seed {seed}: {reason}" for seed, reason in sorted(claim.exclusions.items()))
        yield f"Left out as declared: {left_out}."
    if planned.calibrated and planned.error_rates is None:
        yield "The calibration does not cover this test."
    if not planned.calibrated and found != "undecided":
        yield "How often this test errs was not measured: the study has no calibration."


def with_bounds(mean: float, low: float, high: float) -> str:
    """A number and its interval in words; parts that are NaN are left out."""
    if math.isnan(mean):
        return ""
    bounds = "" if math.isnan(low) or math.isnan(high) else f" [{low:.3g}, {high:.3g}]"
    return f"{mean:.3g}{bounds}".replace("inf", "∞")


def over(name: str) -> str:
    """What a claim compares, as words that follow its measure; empty if it is about the measure itself."""
    return {
        "value": "",
        "sizes": ", largest P − smallest P",
        "bases": ", last base − first base",
        "control": ", less its control",
    }[name]


def sentence(declared: Mapping[str, str | int]) -> str:
    """A sentence that says whether the same claims were declared when the models were trained."""
    jobs, others = int(declared["training_jobs"]), int(declared["under_other_claims"])
    digest = str(declared["claims"])[:12]
    if others == 0:
        return f"All {jobs} training jobs that these claims rest on ran under these very claims (digest {digest})."
    return (
        f"{others} of the {jobs} training jobs that these claims rest on ran under other claims: these (digest "
        f"{digest}) were declared, or changed, after they had run."
    )
