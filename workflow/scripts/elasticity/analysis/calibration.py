"""Error rates and power of the tests that verdicts rest on, by simulation.

A test is tried on experiments without the effect that its claim is about, which ``NULLS`` names. It is sized if it
rejects in no more of them than its level allows, within the Monte Carlo error. Its power is its rate of rejection in
experiments with a rebound.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from elasticity.analysis.aggregation import CONFIDENCE
from elasticity.analysis.hypothesis_tests import LEVEL, clustered_difference, row_effects
from elasticity.analysis.jobs import CalibrationJob, Design
from elasticity.analysis.measures.inputs import Curves, rebound_bounds
from elasticity.analysis.noise import RUN, Noise
from elasticity.analysis.simulation import Gap, Scenario, responses, simulated, simulated_gaps, simulated_leans
from elasticity.analysis.verdict_reasons import allowance
from elasticity.config.calibration import Calibration
from elasticity.config.claims import Over
from elasticity.config.measures import MEASURES

Array = np.ndarray[Any, np.dtype[np.float64]]


Bounds = tuple[Array, Array]


SEED = 0


FLIPS = 2**12
"""Sign flips of a test. With more than 12 seeds they are drawn, because a thousand exact tests would take minutes."""


RESAMPLES = 999
"""Resamples of the bootstrap."""


CLUSTERED = 100
"""Simulated experiments on which clustered errors are tried; more would take too long."""


COVERED_SEEDS = (3, 5, 10)
"""Numbers of seeds with which the intervals are tried."""


LESS = ("end", "reversal-ratio", "lean-end", "lean-reversal-ratio")
"""Measures that a rebound makes small; it makes all others large."""


NULLS: Mapping[tuple[str, Over], Scenario] = {
    ("start", "value"): "nothing",
    ("end", "value"): "nothing",
    ("crossing", "value"): "relaxation",
    ("crossing-start", "value"): "nothing",
    ("crossing-end", "value"): "relaxation",
    ("reversal-ratio", "value"): "proportional",
    ("initial-rate", "value"): "nothing",
    ("two-phase", "value"): "relaxation",
    ("area", "value"): "nothing",
    ("overshoot", "value"): "nothing",
    ("matched-fall", "value"): "nothing",
    ("start", "sizes"): "nothing",
    ("end", "sizes"): "relaxation",
    ("reversal-ratio", "sizes"): "relaxation",
    ("initial-rate", "sizes"): "relaxation",
    ("two-phase", "sizes"): "relaxation",
    ("area", "sizes"): "relaxation",
    ("overshoot", "sizes"): "relaxation",
    ("matched-fall", "sizes"): "relaxation",
}
"""The scenario in which a claim must not be confirmed, by its measure and what it compares.

For a difference between sizes P, and for a crossing, it is a plain relaxation, which has no rebound. A value by itself
is tried where training changes nothing, and the reversal ratio where it does not depend on P. Between bases, and beside
a control, both experiments are plain relaxations; a control shares the base model and its responses.
"""


GAP_NULLS: Mapping[str, Gap] = {
    "kl-gap": "entropies",
    "entropy-gap": "alike",
    "cross-entropy-gap": "entropies",
    "training-loss-gap": "entropies",
}
"""The kind of gap in which a claim about resistance must not be confirmed, by its measure."""


@dataclass(frozen=True)
class Trial:
    """A test of a claim in a scenario: how often experiments confirm (``rate``) or refute (``against``) the claim.

    ``rate_adjusted`` is how often they confirm it at the least level that a confirmatory claim has beside the others.
    """

    measure: str
    over: Over
    direction: str
    test: str
    scenario: str
    role: Literal["size", "power"]
    rate: float
    rate_adjusted: float
    against: float


def calibration_table(job: CalibrationJob) -> pd.DataFrame:
    """How often each test rejects at the level 0.05, one row for each design, test and scenario.

    ``role`` is ``size`` where there is no effect, ``power`` where there is one, and ``coverage`` for intervals, whose
    rate is how often they hold the true value. ``against`` is how often the test for the opposite rejects. ``error`` is
    the Monte Carlo error of the rate. ``sized`` is missing where the role is ``power``.
    """
    tables = [_table(name, design.seeds, job, trials(design, job)) for name, design in job.designs.items()]
    if job.resistance:
        tables.append(_table(", ".join(job.resistance), job.seeds, job, gap_trials(job)))
    scored = {name: design for name, design in job.designs.items() if design.outcome == "score"}
    crossed = [name for name, design in scored.items() if len(design.alignment_sizes) > 1]
    if crossed:
        tables.append(coverage(crossed[0], job))
    table = pd.concat(tables, ignore_index=True)
    table["error"] = np.sqrt(table["rate"] * (1 - table["rate"]) / table["draws"])
    allowed = allowance(table["draws"])
    rejecting, holding = table["rate"] <= LEVEL + allowed, table["rate"] >= CONFIDENCE - allowed
    good = rejecting.where(table["role"] != "coverage", holding)
    table["sized"] = good.astype("boolean").where(table["role"] != "power")
    return table


def with_noise(settings: Calibration, noise: Mapping[tuple[str, str], Noise]) -> Calibration:
    """Settings in which the standard deviations that are null are estimated from the noise of a finished study.

    Two runs of a seed differ by their own parts, which the end of the crossing compares without what the seed shares.
    What is left of the variance of the end of a single run is that of the seed. Sampling is left out, because it is
    simulated. A measure without noise counts as one that does not vary.
    """
    estimated = {"run_nats": float(noise.get(("kl-gap", "value"), Noise(0.0)).sd / np.sqrt(2))}
    for prefix, key in (("", ""), ("lean-", "lean_")):
        run, crossing = (noise.get((f"{prefix}{it}", RUN), Noise(0.0)) for it in ("end", "crossing-end"))
        own = min(crossing.of_seeds / 2, run.of_seeds)
        estimated[f"{key}seed_offset"] = float(np.sqrt(run.of_seeds - own))
        estimated[f"{key}run_offset"] = float(np.sqrt(own))
    return settings.model_copy(update={key: it for key, it in estimated.items() if getattr(settings, key) is None})


def _table(name: str, seeds: int, job: CalibrationJob, found: Iterator[Trial]) -> pd.DataFrame:
    table = pd.DataFrame([trial.__dict__ for trial in found])
    table.insert(0, "design", name)
    table.insert(1, "seeds", seeds)
    return table.assign(draws=job.settings.draws)


def confirmatory(job: CalibrationJob) -> int:
    """The number of confirmatory claims, at least 1."""
    return max(1, sum(claim.role == "confirmatory" for claim in job.claims.values()))


# Rebound


def trials(design: Design, job: CalibrationJob) -> Iterator[Trial]:
    """Every test of rebound claims, in its null scenario and with a rebound."""
    family = confirmatory(job)
    scenarios: tuple[Scenario, ...] = get_args(Scenario)
    *experiments, control = measured((*scenarios, "relaxation"), design, job, 0)
    (other_base,) = measured(("relaxation",), design, job, 1)
    found = dict(zip(scenarios, experiments, strict=True))
    for (unnamed, over), null in NULLS.items():
        measure = _named(unnamed, design)
        if not measure or (over == "sizes" and len(design.alignment_sizes) == 1):
            continue
        for scenario in (null, "rebound"):
            values = [_over(part, over) for part in _parts(measure, found[scenario])]
            yield from _tests(measure, over, scenario, "size" if scenario == null else "power", values, family)
    for over, subtracted in (("bases", other_base), ("control", control)):
        for measure in filter(None, dict.fromkeys(_named(unnamed, design) for unnamed, _ in NULLS)):
            for scenario in ("relaxation", "rebound"):
                pairs = zip(_parts(measure, found[scenario]), _parts(measure, subtracted), strict=True)
                values = [_difference(_over(one, "value"), _over(other, "value")) for one, other in pairs]
                role: Literal["size", "power"] = "size" if scenario == "relaxation" else "power"
                yield from _tests(measure, over, scenario, role, values, family)


def _named(measure: str, design: Design) -> str | None:
    """The name of a measure of scores for the outcome of a design; None if the outcome has no such measure."""
    name = measure if design.outcome == "score" else f"{design.outcome}-{measure}"
    return name if name in MEASURES.names() else None


def measured(
    scenarios: Sequence[Scenario], design: Design, job: CalibrationJob, stream: int
) -> list[dict[str, Bounds]]:
    """The measures of each kind of experiment, shape (draws, seeds, P), or (draws, seeds) for those between sizes P."""
    simulate = simulated if design.outcome == "score" else simulated_leans
    experiments = simulate(scenarios, design, job.settings, np.random.default_rng([SEED, stream]))
    firsts, seconds = (np.array(sizes, dtype=float) for sizes in (design.alignment_sizes, design.inverse_sizes))
    with np.errstate(invalid="ignore"):
        bases = experiments.base[:, :, None]
        return [rebound_bounds(Curves(seconds, it, bases, firsts), design.outcome) for it in experiments.outcomes]


def _parts(measure: str, found: Mapping[str, Bounds]) -> list[Bounds]:
    return [found[part] for part in MEASURES[measure].parts or (measure,)]


def _over(values: Bounds, over: Over) -> Bounds:
    """One number per seed."""
    low, high = values
    if low.ndim == 2:
        return values
    if over == "sizes":
        return _difference((low[..., -1], high[..., -1]), (low[..., 0], high[..., 0]))
    return low.mean(axis=-1), high.mean(axis=-1)


def _difference(one: Bounds, other: Bounds) -> Bounds:
    """The difference of two bounded numbers; its bounds are the widest possible."""
    return one[0] - other[1], one[1] - other[0]


# Resistance


def gap_trials(job: CalibrationJob) -> Iterator[Trial]:
    """Every test of resistance claims."""
    family = confirmatory(job)
    names: tuple[Gap, ...] = get_args(Gap)
    found = {
        name: simulated_gaps(name, job.seeds, job.settings, np.random.default_rng([SEED, 100 + place]))
        for place, name in enumerate(names)
    }
    for measure, null in GAP_NULLS.items():
        power: Gap = "entropies" if measure == "entropy-gap" else "resistance"
        yield from _tests(measure, "value", null, "size", [(found[null][measure],) * 2], family)
        yield from _tests(measure, "value", power, "power", [(found[power][measure],) * 2], family)


# Tests


def _tests(
    measure: str, over: Over, scenario: str, role: Literal["size", "power"], parts: list[Bounds], family: int
) -> Iterator[Trial]:
    """The t test and the sign-flip test of one number per seed, or of several parts that must all hold.

    ``family`` is the number of confirmatory claims: Holm's method tests each at least at the level divided by it.
    Yields nothing if a part is never known. Where a part is missing for some seeds, it may have any value there. The
    sign-flip test, on which no verdict rests, takes most of the time and is tried on scores and resistance only.
    """
    if any(np.isnan(low).all() for low, _ in parts):
        return
    sign, of_leans = -1 if measure in LESS else 1, MEASURES[measure].outcome == "lean"
    flips = 1 if of_leans else FLIPS
    rows = [_p_values(*((low, high) if sign > 0 else (-high, -low)), flips) for low, high in parts]
    for test, name in (("t", "p"), ("sign-flip", "sign"))[: 1 if of_leans else 2]:
        claimed = np.max([row[f"{name}_greater"] for row in rows], axis=0)
        against = len(rows) * np.min([row[f"{name}_less"] for row in rows], axis=0)
        yield Trial(
            measure=measure,
            over=over,
            direction="greater" if sign > 0 else "less",
            test=test,
            scenario=scenario,
            role=role,
            rate=float((claimed <= LEVEL).mean()),
            rate_adjusted=float((claimed <= LEVEL / family).mean()),
            against=float((against <= LEVEL).mean()),
        )


def _p_values(low: Array, high: Array, flips: int) -> dict[str, Array]:
    """p-values of each row, shape (draws, seeds), as in ``verdicts.part_effect``."""
    missing = np.isnan(low) | np.isnan(high)
    below = row_effects(np.where(missing, -np.inf, low), flips=flips)
    above = below if np.array_equal(low, high) else row_effects(np.where(missing, np.inf, high), flips=flips)
    greater = {name: below[name].to_numpy() for name in ("p_greater", "sign_greater")}
    return greater | {name: above[name].to_numpy() for name in ("p_less", "sign_less")}


# Intervals


def coverage(name: str, job: CalibrationJob) -> pd.DataFrame:
    """How often intervals at 95 % hold the true value, for the end of the crossing and for the start.

    The bootstrap over seeds is included for comparison: no verdict uses it.
    """
    rows = []
    for seeds in sorted({job.designs[name].seeds, *COVERED_SEEDS} - {1}):
        design = job.designs[name].model_copy(update={"seeds": seeds})
        found = [("crossing-end", "relaxation", _crossing_intervals(design, job))]
        if design.inverse_sizes[0] == 0:
            found.append(("start", "nothing", _start_intervals(design, job)))
        for measure, scenario, (truth, intervals) in found:
            for test, (low, high) in intervals.items():
                row = {"measure": measure, "over": "value", "scenario": scenario, "test": test, "seeds": seeds}
                held = (low <= truth) & (truth <= high)
                rows.append(row | {"rate": float(held.mean()), "draws": len(held)})
    return pd.DataFrame(rows).assign(design=name, role="coverage")


def _crossing_intervals(design: Design, job: CalibrationJob) -> tuple[float, dict[str, Bounds]]:
    """The true value, which is the mean over all simulated experiments, and intervals by t and by bootstrap."""
    (found,) = measured(("relaxation",), design, job, 200 + design.seeds)
    values, _ = found["crossing-end"]
    resampled = stats.bootstrap(
        (values,),
        np.mean,
        axis=1,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        batch=100,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(values.mean()), {
        "t interval": _t(values),
        "percentile bootstrap": (np.asarray(resampled.low), np.asarray(resampled.high)),
    }


def _start_intervals(design: Design, job: CalibrationJob) -> tuple[float, dict[str, Bounds]]:
    """Intervals by t and with clustered errors, for models that training changes only by a random offset."""
    settings, generator = job.settings, np.random.default_rng([SEED, 300 + design.seeds])
    draws, runs = min(settings.draws, CLUSTERED), len(design.alignment_sizes)
    offsets = (settings.run_offset or 0.0) * generator.standard_normal((draws, design.seeds * runs))
    own = design.seeds * design.base_draws
    chances = np.concatenate([np.full((draws, own), settings.base), settings.base + offsets], axis=1)
    drawn = responses(np.clip(chances, 0, 1), design.prompts, settings.prompt_spread, generator)
    scores = drawn[:, own:].reshape(draws, design.seeds, runs, design.prompts).mean(axis=2)
    differences = scores - drawn[:, :own].reshape(draws, design.seeds, design.base_draws, design.prompts).mean(axis=2)
    places = np.indices(differences.shape[1:]).reshape(2, -1)
    frame = pd.DataFrame({"seed": places[0], "prompt_id": places[1]})
    clustered = np.array([clustered_difference(frame.assign(difference=draw.ravel())) for draw in differences])
    return 0.0, {"t interval": _t(differences.mean(axis=2)), "clustered interval": (clustered[:, 1], clustered[:, 2])}


def _t(values: Array) -> Bounds:
    effects = row_effects(values, flips=1)
    return effects["low"].to_numpy(), effects["high"].to_numpy()
