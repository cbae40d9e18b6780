"""Tests that are made again after each round of seeds: p-values that hold whenever the rounds end.

The planned looks are numbers of seeds, such as 6, 9 and 12. The level is spent in proportion to the seeds: the share
w_j of look j is the number of seeds that it adds over the largest number. With p_j the p-value of the test of look j,

    T = min over the looks made of p_j / w_j

is at most a with probability at most a, whatever the data, because the shares add up to 1 (Bonferroni). The looks share
seeds, so that this bound is wide. The p-value of a claim is therefore the probability of a T as small in studies
without an effect, which for t tests of normal numbers does not depend on their spread: it is simulated over all planned
looks.
T only falls as looks are added, so the p-value holds for every rule of ending the rounds early, and adjustments for
several claims take it as they take any other p-value.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy import stats

Array = np.ndarray[Any, np.dtype[np.float64]]


DRAWS = 100_000
"""Simulated studies without an effect. The standard error of a p-value of 0.05 is 0.0007."""


def made(looks: Sequence[int], seeds: int) -> tuple[int, ...]:
    """The looks that a study with so many seeds has made; a study without planned looks makes one, of all seeds."""
    return tuple(look for look in looks if look <= seeds) or (seeds,)


def shares(looks: Sequence[int]) -> Array:
    """The share of the level that each planned look spends, in proportion to the seeds that it adds."""
    return np.diff(looks, prepend=0) / looks[-1]


def after_looks(p: Array, looks: Sequence[int]) -> Array:
    """The p-value after each look, shape (..., looks made), from those of the single tests; NaN counts as 1.

    ``looks`` are all planned looks. A single look leaves p-values as they are, NaN included.
    """
    if len(looks) < 2:
        return p
    smallest = _smallest(p, looks)
    null = _without_effect(tuple(looks))
    simulated = (1 + np.searchsorted(null, smallest, side="right")) / (1 + len(null))
    return np.minimum(smallest, simulated)


def _smallest(p: Array, looks: Sequence[int]) -> Array:
    """T after each look, shape (..., looks made), at most 1; a look without a p-value counts as 1."""
    weighted: Array = np.minimum.accumulate(np.nan_to_num(p, nan=1.0) / shares(looks)[: p.shape[-1]], axis=-1)
    return np.minimum(weighted, 1.0)


@cache
def _without_effect(looks: tuple[int, ...]) -> Array:
    """T after all planned looks in studies without an effect, in ascending order."""
    p = np.stack(look_p_values(np.random.default_rng(0).standard_normal((DRAWS, looks[-1])), looks)[0], axis=-1)
    return np.sort(_smallest(p, looks)[:, -1])


def look_p_values(values: Array, looks: Sequence[int], margin: float = 0.0) -> tuple[list[Array], list[Array]]:
    """p-values of t tests after each look for means above 0, and for means below ``margin``.

    ``values`` has shape (..., seeds); each look takes the first seeds.
    """
    greater, less = [], []
    for look in looks:
        found = values[..., :look]
        mean, error = found.mean(axis=-1), found.std(axis=-1, ddof=1) / np.sqrt(look)
        greater.append(stats.t.sf(mean / error, look - 1))
        less.append(stats.t.cdf((mean - margin) / error, look - 1))
    return greater, less
