"""The Pareto distribution of leaf masses that the elasticity theorem assumes: mean 1, exponent α."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pareto:
    """Density α c^α / x^(α + 1) for x ≥ c = (α − 1) / α, with α > 2: mean 1, and a finite variance."""

    alpha: float

    @property
    def scale(self) -> float:
        """c, the least mass; the first version prints its sign wrongly."""
        return (self.alpha - 1) / self.alpha

    def moment(self, order: float) -> float:
        """E[x^order], for an order below α; it may be negative."""
        return float(self.scale**order * self.alpha / (self.alpha - order))

    @property
    def mean_log(self) -> float:
        """E[log x], which is negative."""
        return float(np.log(self.scale)) + 1 / self.alpha

    @property
    def mean_x_log(self) -> float:
        """E[x log x], which is positive: weighted with x, the distribution is Pareto with exponent α − 1."""
        return float(np.log(self.scale)) + 1 / (self.alpha - 1)

    def quantile(self, upper: Array) -> Array:
        """The mass that is exceeded with probability ``upper``."""
        return self.scale * upper ** (-1 / self.alpha)

    def by_mass(self, upper: Array) -> Array:
        """The same for the distribution whose density is weighted with the mass: Pareto again, with exponent α − 1."""
        return self.scale * upper ** (-1 / (self.alpha - 1))

    def transform(self, order: int, rate: Array) -> Array:
        """E[x^order e^(−rate x)], for rates of 0 or more and orders 0, 1, 2."""
        least = self.scale
        return least**order * self.alpha * exponential_integral(self.alpha + 1 - order, least * rate)


TERMS = 80
"""Of the continued fraction; at x = 1, where it is slowest, it then errs by about 1e-14."""


def exponential_integral(order: float, x: Array) -> Array:
    """E_p(x) = ∫ e^(−x t) t^(−p) dt from 1 to ∞, for p > 1 (whole or not) and x ≥ 0, to about 1e-14 of its value.

    SciPy has it for whole p only. Below 1 by recurrence from an order in (0, 1], where the recurrence is stable; above
    by the continued fraction.
    """
    return np.where(x < 1, _by_recurrence(order, np.clip(x, 1e-300, 1)), _by_fraction(order, np.maximum(x, 1)))


def _by_recurrence(order: float, x: Array) -> Array:
    steps = int(np.ceil(order)) - 1
    first = order - steps
    if first == 1:
        value = special.exp1(x)
    else:
        value = special.gammaincc(1 - first, x) * special.gamma(1 - first) * x ** (first - 1)
    for step in range(steps):
        value = (np.exp(-x) - x * value) / (first + step)
    return np.asarray(value)


def _by_fraction(order: float, x: Array) -> Array:
    fraction = x + order + 2 * TERMS
    for n in range(TERMS, 0, -1):
        fraction = x + order + 2 * (n - 1) - n * (order + n - 1) / fraction
    return np.exp(-x) / fraction
