"""Error rates and power of all claims of a study together: families, margins and looks included.

Each claim has one number per seed, normal around its true effect with the standard deviation of the noise table; claims
are independent of each other. They are tested as in ``analysis.verdicts``: t tests after each look, Holm over the
confirmatory claims and Benjamini-Hochberg over the exploratory ones, until every confirmatory claim is decided or has
all the seeds that it may have. Excluded seeds are not simulated.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from elasticity.analysis.hypothesis_tests import LEVEL
from elasticity.analysis.jobs import CalibrationJob
from elasticity.analysis.looks import after_looks, look_p_values
from elasticity.analysis.noise import Noise, noise_of
from elasticity.config.claims import Claim, Role

Array = np.ndarray[Any, np.dtype[Any]]


Truth = Literal["absent", "margin"]
"""True effects: 0 for every claim, or exactly the smallest effect that matters."""


ANY = "any confirmatory claim"
"""The row of the confirmatory family: how often any of its claims is confirmed, or refuted."""


COLUMNS = ["claim", "role", "margin", "sd", "truth", "confirmed", "refuted", "wrong", "error", "seeds"]


def family_table(job: CalibrationJob, noise: Mapping[tuple[str, str], Noise]) -> pd.DataFrame:
    """How often each claim is confirmed and refuted, in studies in which no effect exists and in which all just matter.

    ``wrong`` is the rate of the verdicts that are wrong there, which for ``ANY`` should be at most ``LEVEL``:
    confirming where effects are absent, refuting where they just matter. ``seeds`` is the mean number of seeds until
    the last look. A claim of whose measure no noise is known is left out, but counts in its family.
    """
    rows = []
    for truth in get_args(Truth):
        claims = {name: it for name, it in job.claims.items() if truth == "absent" or it.margin > 0}
        if not claims:
            continue
        confirmed, refuted, seeds = _decided(job, noise, truth)
        for place, (name, claim) in enumerate(job.claims.items()):
            if name in claims and _sds(claim, noise):
                sd = max(_sds(claim, noise))
                row = {"claim": name, "role": claim.role, "margin": claim.margin, "sd": sd}
                rows.append(row | _rates(truth, confirmed[:, place], refuted[:, place], seeds))
        family = [it.role == "confirmatory" for it in job.claims.values()]
        if any(family):
            row = {"claim": ANY, "role": "confirmatory", "margin": np.nan, "sd": np.nan}
            confirmed, refuted = (side[:, family].max(axis=1) for side in (confirmed, refuted))
            rows.append(row | _rates(truth, confirmed, refuted, seeds))
    return pd.DataFrame(rows, columns=COLUMNS)


def _rates(truth: Truth, confirmed: Array, refuted: Array, seeds: Array) -> dict[str, Any]:
    wrong = (confirmed if truth == "absent" else refuted).mean()
    return {
        "truth": truth,
        "confirmed": confirmed.mean(),
        "refuted": refuted.mean(),
        "wrong": wrong,
        "error": np.sqrt(wrong * (1 - wrong) / len(confirmed)),
        "seeds": seeds.mean(),
    }


def _sds(claim: Claim, noise: Mapping[tuple[str, str], Noise]) -> list[float]:
    """The standard deviations of the parts of a claim; empty if one is not known."""
    found = [noise_of(noise, part, claim.over) for part in claim.parts]
    return [it.sd for it in found if it] if all(found) else []


def _decided(job: CalibrationJob, noise: Mapping[tuple[str, str], Noise], truth: Truth) -> tuple[Array, Array, Array]:
    """Whether each claim is confirmed, and refuted, when looks end, shape (draws, claims), and the seeds by then."""
    looks, draws = job.looks or (job.seeds,), job.settings.draws
    generator = np.random.default_rng([1, get_args(Truth).index(truth)])
    sides = [
        _claim_p_values(claim, noise, truth, draws, looks, job.max_seeds.get(name, looks[-1]), generator)
        for name, claim in job.claims.items()
    ]
    confirmed, refuted = (
        np.stack([_significant(side[:, :, look], job.claims.values()) for look in range(len(looks))])
        for side in np.stack(sides, axis=2)
    )
    family = np.array([it.role == "confirmatory" for it in job.claims.values()])
    exhausted = np.array([[job.max_seeds.get(name, np.inf) <= look for name in job.claims] for look in looks])
    over = np.asarray((confirmed | refuted | exhausted[:, None])[:, :, family].all(axis=2))
    over[-1] = True
    ends = over.argmax(axis=0)
    each = np.arange(draws)
    return confirmed[ends, each], refuted[ends, each], np.array(looks)[ends]


def _claim_p_values(
    claim: Claim,
    noise: Mapping[tuple[str, str], Noise],
    truth: Truth,
    draws: int,
    looks: tuple[int, ...],
    most: int,
    generator: np.random.Generator,
) -> Array:
    """p-values for and against a claim after each look, shape (2, draws, looks); 1 if no noise is known.

    The claim is tested on the first ``most`` seeds at most, also after later looks, and not on fewer than it asks for.
    """
    own = [min(look, most) for look in looks]
    effect, parts = (claim.margin if truth == "margin" else 0.0), _sds(claim, noise)
    greater, less = np.zeros((draws, len(looks))), np.ones((draws, len(looks)))
    for sd in parts:
        values = effect + sd * generator.standard_normal((draws, own[-1]))
        above, below = (np.stack(p, axis=-1) for p in look_p_values(values, own, claim.margin))
        greater, less = np.maximum(greater, above), np.minimum(less, len(parts) * below)
    if not parts:
        greater = np.ones_like(less)
    few = np.array(own) < claim.seeds
    greater[:, few], less[:, few] = 1.0, 1.0
    return np.stack([after_looks(side, looks) for side in (greater, np.minimum(less, 1.0))])


def _significant(p: Array, claims: Any) -> Array:
    """Whether p-values of shape (draws, claims) are significant beside those of the other claims of each role."""
    roles = np.array([claim.role for claim in claims])
    found = np.zeros(p.shape, dtype=bool)
    for role in get_args(Role):
        own = roles == role
        count = int(own.sum())
        if count == 0:
            continue
        order = p[:, own].argsort(axis=1)
        ranked = np.take_along_axis(p[:, own], order, axis=1)
        ranks = np.arange(1, count + 1)
        if role == "confirmatory":  # Holm: up to the first that is not significant
            passed = np.logical_and.accumulate(ranked <= LEVEL / (count + 1 - ranks), axis=1)
        else:  # Benjamini-Hochberg: up to the last that is
            passed = np.logical_or.accumulate((ranked <= LEVEL * ranks / count)[:, ::-1], axis=1)[:, ::-1]
        rejected = np.zeros_like(passed)
        np.put_along_axis(rejected, order, passed, axis=1)
        found[:, own] = rejected
    return found
