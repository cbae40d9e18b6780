"""Whether leaf masses follow a Pareto law: its exponent with an interval, and how well it fits.

The elasticity theorem assumes that all masses of a tree, divided by their mean, have the density α c^α / x^(α + 1) from
c = (α − 1) / α on. Real masses can at best have such a tail, above a threshold that is estimated with the exponent
(Clauset, Shalizi & Newman 2009).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]

LEAST_COUNT = 10
"""The least number of occurrences of a leaf in a tail: rarer ones are counted with an error of a third and more."""


LEAST_TAIL = 10
"""The least number of leaves in a tail."""


THRESHOLDS = 20
"""The number of thresholds that are tried, evenly spaced over the ranks of the masses."""


LARGEST = 50.0
"""The largest exponent of the theorem's law that is tried; with larger ones all masses are nearly equal."""


class Tail(NamedTuple):
    """A Pareto tail: exponent, threshold, number of leaves from the threshold on, and Kolmogorov–Smirnov distance."""

    alpha: float
    threshold: float
    leaves: int
    distance: float


class Fit(NamedTuple):
    """A tail, a 95 % interval of its exponent, and the probability of so large a distance in a true Pareto tail."""

    tail: Tail
    low: float
    high: float
    p: float


MISSING = Fit(Tail(np.nan, np.nan, 0, np.nan), np.nan, np.nan, np.nan)
"""The fit of a tree that has too few frequent leaves."""


def pareto_tail(masses: Array, least: float) -> Tail | None:
    """Fit a Pareto tail: the threshold, from ``least`` on, with the least distance, and the exponent of the likelihood.

    None if fewer than ``LEAST_TAIL`` masses lie above ``least``, or if those are all equal.
    """
    ordered = np.sort(masses)
    first, last = int(np.searchsorted(ordered, least)), len(ordered) - LEAST_TAIL
    if last < first:
        return None
    logs = np.log(ordered)
    best: Tail | None = None
    for start in np.unique(np.linspace(first, last, THRESHOLDS).astype(int)):
        begin = int(np.searchsorted(ordered, ordered[start]))  # equal masses are all in the tail, or none
        over = logs[begin:] - logs[begin]
        if begin < first or over[-1] == 0:
            continue
        alpha = 1 / over.mean()
        distance = _distance(-np.expm1(-alpha * over))
        if best is None or distance < best.distance:
            best = Tail(float(alpha), float(ordered[begin]), len(over), distance)
    return best


def _distance(cumulative: Array) -> float:
    """The Kolmogorov–Smirnov distance of the empirical distribution from one with these values at the ordered data."""
    steps = np.arange(len(cumulative) + 1) / len(cumulative)
    return float(max((steps[1:] - cumulative).max(), (cumulative - steps[:-1]).max()))


def fit_tail(masses: Array, least: float, resamples: int, generator: np.random.Generator) -> Fit:
    """Fit a Pareto tail, with percentiles of a bootstrap over leaves, and the goodness of fit of Clauset et al.

    Both resample the whole tree and choose the threshold anew. Under the hypothesis, masses below the threshold are
    drawn from those observed and those above it from the fitted law.
    """
    found = pareto_tail(masses, least)
    if found is None:
        return MISSING
    size, below = len(masses), masses[masses < found.threshold]
    again = (pareto_tail(generator.choice(masses, size), least) for _ in range(resamples))
    exponents = [tail.alpha for tail in again if tail]
    distances = []
    for _ in range(resamples):
        above = size if len(below) == 0 else generator.binomial(size, found.leaves / size)
        drawn = found.threshold * (1 - generator.random(above)) ** (-1 / found.alpha)
        rest = generator.choice(below, size - above) if above < size else below[:0]
        if tail := pareto_tail(np.concatenate([rest, drawn]), least):
            distances.append(tail.distance)
    low, high = np.percentile(exponents, [2.5, 97.5]) if exponents else (np.nan, np.nan)
    p = float(np.mean(np.array(distances) >= found.distance)) if distances else np.nan
    return Fit(found, float(low), float(high), p)


def nearest_law(masses: Array) -> tuple[float, float]:
    """The exponent of the theorem's law that is nearest to the masses, and its Kolmogorov–Smirnov distance.

    The law has mean 1, so that the masses are divided by their mean. Exponents from 1 to ``LARGEST`` are tried.
    """
    ordered = np.sort(masses) / masses.mean()

    def distance(log_excess: float) -> float:
        alpha = 1 + np.exp(log_excess)
        ratio = np.minimum(((alpha - 1) / alpha) / ordered, 1)
        return _distance(1 - ratio**alpha)

    grid = np.linspace(np.log(1e-3), np.log(LARGEST - 1), 60)
    nearest = grid[np.argmin([distance(value) for value in grid])]
    step = grid[1] - grid[0]
    found = optimize.minimize_scalar(distance, bounds=(nearest - step, nearest + step), method="bounded")
    return float(min(1 + np.exp(found.x), LARGEST)), float(found.fun)
