"""Tests over seeds: t and sign-flip, bounds where values are censored, several parts at once, families, clusters.

The training seed is the unit of replication: one number a seed comes in. Everything is one-sided twice, for ``greater``
and for ``less``, because a claim can be confirmed and can be refuted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests

from elasticity.analysis.aggregation import CONFIDENCE
from elasticity.config.claims import Role

Array = np.ndarray[Any, np.dtype[np.float64]]


LEVEL = 0.05
"""Of every test of a claim."""


FLIPS = 2**20
"""Up to so many sign flips are all enumerated (20 seeds); of more, so many are drawn."""


SAME = 1e-3
"""Values that differ by less than this share of the largest are equal but for rounding: they are differences of numbers
that tables hold with six digits."""


TIED = 1e-12
"""Sums of the same values with other signs that differ by less than this share of them are equal but for rounding."""


ADJUSTMENTS: dict[Role, str] = {"confirmatory": "holm", "exploratory": "fdr_bh"}
"""Holm bounds the chance of any false verdict, Benjamini-Hochberg the share of false ones among those found."""


@dataclass(frozen=True)
class Effect:
    """A mean over seeds in the unit of the measure, its 95 % t interval, and p-values of what it is claimed to be.

    ``p_*`` are of t tests, ``sign_*`` of sign-flip tests, of a mean greater or less than the margin. ``floor`` is the
    least p that the sign-flip test can reach with so many ``seeds``.
    """

    mean: float
    low: float
    high: float
    seeds: int
    p_greater: float
    p_less: float
    sign_greater: float
    sign_less: float
    floor: float


def effect_of(values: Array, margin: float = 0.0) -> Effect:
    """Of one number a seed, shape (seeds,).

    NaN is a seed without a value: it is left out, and ``seeds`` counts the others; with none all is NaN but ``floor``.
    Infinite values and values without spread, a single one among them: see ``row_effects``.
    """
    found = values[~np.isnan(values)]
    if len(found) == 0:
        nan = float("nan")
        return Effect(nan, nan, nan, 0, nan, nan, nan, nan, 1.0)
    row = row_effects(found[None], margin)
    numbers = {name: float(row[name].iloc[0]) for name in row.columns if name != "seeds"}
    return Effect(seeds=len(found), **numbers)


def row_effects(values: Array, margin: float = 0.0, flips: int = FLIPS) -> pd.DataFrame:
    """The fields of ``Effect`` for each row of ``values``, shape (rows, seeds), without NaN.

    Values without spread have no t test: two equal scores would give p = 0. They have no interval either, and their
    ``p_*`` are those of the sign-flip test. An infinite value stands for one that grows without end: its p-values and
    bounds are the limits, where finite values beside it no longer tell (t) or decide between equals (sign-flip).
    """
    shifted = values - margin
    seeds = values.shape[1]
    infinite = np.isinf(shifted).any(axis=1, keepdims=True)
    limit = np.where(infinite, np.where(np.isinf(shifted), np.sign(shifted), 0.0), shifted)
    spread = np.ptp(limit, axis=1) > SAME * np.abs(limit).max(axis=1)
    sign_greater, sign_less = sign_flip(_finite(shifted), flips)
    found = pd.DataFrame({"mean": limit.mean(axis=1), "low": np.nan, "high": np.nan, "seeds": seeds})
    found["p_greater"], found["p_less"] = sign_greater, sign_less
    if spread.any():
        test = stats.ttest_1samp(limit[spread], 0.0, axis=1, alternative="greater")
        both = stats.ttest_1samp(limit[spread], 0.0, axis=1).confidence_interval(CONFIDENCE)
        found.loc[spread, ["low", "high", "p_greater", "p_less"]] = np.stack(
            [both.low, both.high, test.pvalue, stats.t.cdf(test.statistic, seeds - 1)], axis=1
        )
    bounds = ["mean", "low", "high"]
    with np.errstate(invalid="ignore"):  # a limit of 0 times infinity is nobody's: NaN
        found[bounds] = found[bounds] * np.where(infinite, np.inf, 1.0) + margin
    floor = 1 / min(2**seeds, flips + 1)
    return found.assign(sign_greater=sign_greater, sign_less=sign_less, floor=floor)


def _finite(values: Array) -> Array:
    """Each infinite value replaced by one that outweighs all finite ones of its row."""
    sizes = np.where(np.isinf(values), 0.0, np.abs(values))
    beyond = 1 + 2 * sizes.sum(axis=1, keepdims=True)
    return np.where(np.isinf(values), np.sign(values) * beyond, values)


def sign_flip(values: Array, flips: int = FLIPS) -> tuple[Array, Array]:
    """p of sums as large, and as small, if each value could as well have the other sign; shape (rows, seeds).

    Exact if all flips are at most ``flips``. It assumes symmetry about 0, nothing of the distribution.
    """
    if values.shape[1] == 1:
        values = np.pad(values, ((0, 0), (0, 1)))  # scipy asks for two, and a zero may be flipped
    ways = 2 ** values.shape[1]
    test = stats.permutation_test(
        (values,),
        lambda x, axis: np.sum(x, axis=axis),
        permutation_type="samples",
        n_resamples=flips,
        batch=2**14,
        vectorized=True,
        axis=1,
        rng=np.random.default_rng(0),
    )
    drawn = test.null_distribution
    slack = TIED * np.abs(values).sum(axis=1)
    extra = 0 if len(drawn) == ways else 1  # drawn flips: the values as they are count as one more
    count = len(drawn) + extra
    greater = ((drawn >= test.statistic - slack).sum(axis=0) + extra) / count
    less = ((drawn <= test.statistic + slack).sum(axis=0) + extra) / count
    return greater, less


def bounded_effect(low: Array, high: Array, margin: float = 0.0) -> Effect:
    """Of one number a seed that is only known to lie between bounds, shapes (seeds,); equal ones are a known number.

    A mean that is greater is judged on the lower bounds, one that is less on the upper ones: the unfavourable side
    for whichever of the two is claimed. The interval reaches from the lower end of the one to the upper end of the
    other. ``mean`` takes the finite bound of censored values, NaN if one has none. Seeds with a NaN are left out.
    """
    known = ~(np.isnan(low) | np.isnan(high))
    low, high = low[known], high[known]
    below, above = effect_of(low, margin), effect_of(high, margin)
    finite = np.where(np.isfinite(low), low, high)
    mean = float(np.where(np.isfinite(finite), finite, np.nan).mean()) if len(finite) else float("nan")
    return replace(below, mean=mean, high=above.high, p_less=above.p_less, sign_less=above.sign_less)


def intersection_union(parts: Sequence[Effect]) -> Effect:
    """Of the smallest of several means, so of the claim that all are greater than the margin.

    All are greater if each test says so at the full level: the largest p. One is less: the smallest p times their
    number (Bonferroni). A part without a p leaves the first open, and the second to the others. The bounds are the
    smallest of the parts': the lower one errs as rarely as theirs, the upper one up to as often as all of them
    together. ``seeds`` and ``floor`` are those of the part that has least seeds.
    """

    def largest(name: str) -> float:
        return float(np.max([getattr(part, name) for part in parts]))

    def smallest(name: str) -> float:
        return float(np.min([getattr(part, name) for part in parts]))

    def any_less(name: str) -> float:
        found = [getattr(part, name) for part in parts if not np.isnan(getattr(part, name))]
        return min(1.0, len(parts) * min(found)) if found else float("nan")

    return Effect(
        mean=smallest("mean"),
        low=smallest("low"),
        high=smallest("high"),
        seeds=min(part.seeds for part in parts),
        p_greater=largest("p_greater"),
        p_less=any_less("p_less"),
        sign_greater=largest("sign_greater"),
        sign_less=any_less("sign_less"),
        floor=largest("floor"),
    )


def adjusted(p: Sequence[float], role: Role) -> list[float]:
    """p-values of one family, adjusted; in their order.

    A NaN, a test that could not be made, stays one and counts as a test of the family: a family is declared before.
    """
    if len(p) == 0:
        return []
    values = np.array(p, dtype=float)
    _, found, _, _ = multipletests(np.nan_to_num(values, nan=1.0), alpha=LEVEL, method=ADJUSTMENTS[role])
    return [float(x) for x in np.where(np.isnan(values), np.nan, found)]


def clustered_difference(frame: pd.DataFrame) -> tuple[float, float, float]:
    """Mean of paired differences a prompt, and its 95 % interval with errors clustered by seed and by prompt.

    ``frame`` has columns seed, prompt_id and difference, one row a pair; rows without a difference are left out. The
    variance is the largest of the two-way one (Cameron, Gelbach and Miller 2011), which can be negative, and the
    one-way ones; t has one degree of freedom less than the fewer of seeds and prompts. With fewer than two of either
    the bounds are NaN.
    """
    rows = frame.dropna(subset="difference")
    groups = np.stack([pd.factorize(rows[name])[0] for name in ("seed", "prompt_id")], axis=1)
    nan = float("nan")
    if len(rows) == 0:
        return nan, nan, nan
    mean = float(rows["difference"].mean())
    fewest = int((groups.max(axis=0) + 1).min())
    if fewest < 2:
        return mean, nan, nan
    model = OLS(rows["difference"].to_numpy(), np.ones(len(rows)))
    variances = [
        float(model.fit(cov_type="cluster", cov_kwds={"groups": by}).cov_params()[0, 0])
        for by in (groups, groups[:, 0], groups[:, 1])
    ]
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, fewest - 1) * np.sqrt(max(variances)))
    return mean, mean - half, mean + half
