"""Tests over seeds: t and sign-flip, bounds where values are censored, several parts at once, families, clusters.

The training seed is the unit of replication: the input is one number per seed. Every test is made one-sided in both
directions, ``greater`` and ``less``, because a claim can be confirmed and can be refuted.
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
"""The level of every test of a claim."""


FLIPS = 2**20
"""The number of sign flips up to which all are enumerated (20 seeds); of more flips, this many are drawn."""


SAME = 1e-3
"""Values that differ by less than this share of the largest count as equal, because they are differences of numbers
that tables hold with six digits."""


TIED = 1e-12
"""Sums of the same values with other signs that differ by less than this share of the values count as equal."""


ADJUSTMENTS: dict[Role, str] = {"confirmatory": "holm", "exploratory": "fdr_bh"}
"""The adjustment of each role: Holm bounds the probability of any false verdict, Benjamini-Hochberg the expected share
of false verdicts."""


@dataclass(frozen=True)
class Effect:
    """A mean over seeds in the unit of the measure, its 95 % t interval, and p-values.

    ``p_greater`` and ``p_less`` are the p-values of t tests for a mean greater, and less, than the value that the test
    compares with, ``sign_*`` those of sign-flip tests. ``floor`` is the least p-value that the sign-flip test can reach
    with so many ``seeds``.
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


def without_numbers(effect: Effect) -> Effect:
    """The effect of a claim that is not tested: only its seeds are known."""
    nan = float("nan")
    return Effect(nan, nan, nan, effect.seeds, nan, nan, nan, nan, effect.floor)


def effect_of(values: Array, margin: float = 0.0) -> Effect:
    """The effect of one number per seed, shape (seeds,).

    NaN is a seed without a value: it is left out, and ``seeds`` counts the others. Without any value everything is NaN
    except ``floor``. See ``row_effects`` for infinite values and for values without spread, such as a single value.
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

    Values without spread have no t test, in which two equal scores would give p = 0. They have no interval either, and
    their ``p_*`` are those of the sign-flip test. An infinite value stands for a value that grows without end: p-values
    and bounds are the limits, in which finite values no longer matter (t) or break ties (sign-flip).
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
    """p-values of the sign-flip test for a sum that is greater, and for one that is less, of each row of ``values``.

    ``values`` has shape (rows, seeds). The test is exact if there are at most ``flips`` flips. It assumes that the
    distribution is symmetric about 0.
    """
    if values.shape[1] == 1:
        values = np.pad(values, ((0, 0), (0, 1)))  # scipy needs two values, and flipping a zero changes nothing
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
    """The effect of one number per seed that is only known to lie between bounds, each of shape (seeds,).

    A mean greater than 0 is tested on the lower bounds, one less than ``margin`` on the upper bounds: the unfavourable
    side for whichever of the two is claimed. Equal bounds are a known number. The interval reaches from the lower end
    of the former to the upper end of the latter. ``mean`` takes the finite bound of censored values, and is NaN if one
    has none. Seeds with a NaN are left out.
    """
    known = ~(np.isnan(low) | np.isnan(high))
    low, high = low[known], high[known]
    below, above = effect_of(low), effect_of(high, margin)
    finite = np.where(np.isfinite(low), low, high)
    mean = float(np.where(np.isfinite(finite), finite, np.nan).mean()) if len(finite) else float("nan")
    return replace(below, mean=mean, high=above.high, p_less=above.p_less, sign_less=above.sign_less)


def intersection_union(parts: Sequence[Effect]) -> Effect:
    """The effect of the smallest of several means, to test the claim that all means are greater than 0.

    The p-value for that all are greater is the largest p-value of the parts (intersection-union), and the p-value for
    that one is less is the smallest times their number (Bonferroni). A part without a p-value leaves the former NaN,
    and does not count in the latter. The bounds are the smallest bounds of the parts: the lower bound is wrong as
    rarely as theirs, the upper bound up to as often as all of them together. ``seeds`` and ``floor`` are those of the
    part with the fewest seeds.
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
    """The p-values of one family in their order, adjusted for the size of the family.

    A NaN is a test that could not be made. It stays NaN and counts as a test of the family, because families are
    declared before tests are made.
    """
    if len(p) == 0:
        return []
    values = np.array(p, dtype=float)
    _, found, _, _ = multipletests(np.nan_to_num(values, nan=1.0), alpha=LEVEL, method=ADJUSTMENTS[role])
    return [float(x) for x in np.where(np.isnan(values), np.nan, found)]


def clustered_difference(frame: pd.DataFrame) -> tuple[float, float, float]:
    """Mean of paired differences, and its 95 % interval with errors clustered by seed and by prompt.

    ``frame`` has columns seed, prompt_id and difference, one row per pair; rows without a difference are left out. The
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
