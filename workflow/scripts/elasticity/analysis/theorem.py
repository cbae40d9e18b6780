"""The paper's elasticity theorem under its own assumptions, by quadrature and by expansion (derived in docs/theory.md).

On each of M leaves the corpora D1 (pre-training), D2 (alignment) and D3 (perturbation) have masses x, y, z of mean 1,
drawn from one Pareto distribution; k = |D1| / |D2|, l = |D3| / |D2| (``ell``), and the joint mass is q / S with
q = k x + y + l z and S = k + 1 + l. Rates are −E[x log(q / S)], and likewise for y and z: γ − log M of the ACL version,
in nats for a leaf that is coded, which is for d tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pareto:
    """Density α c^α / x^(α + 1) for x ≥ c = (α − 1) / α, with α > 2: mean 1, and a finite variance."""

    alpha: float

    @property
    def scale(self) -> float:
        """c, the least mass; the first version of the paper has its sign wrong."""
        return (self.alpha - 1) / self.alpha

    def moment(self, order: float) -> float:
        """E[x^order]; ``order`` must be below α and may be negative."""
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
        """The quantile of the distribution whose density is weighted with the mass, which is Pareto with α − 1."""
        return self.scale * upper ** (-1 / (self.alpha - 1))

    def transform(self, order: int, rate: Array) -> Array:
        """E[x^order e^(−rate x)], for rates of 0 or more and orders 0, 1, 2."""
        least = self.scale
        return least**order * self.alpha * exponential_integral(self.alpha + 1 - order, least * rate)


TERMS = 80
"""The number of terms of the continued fraction; at x = 1, where it converges slowest, its error is about 1e-14."""


def exponential_integral(order: float, x: Array) -> Array:
    """E_p(x) = ∫ e^(−x t) t^(−p) dt from 1 to ∞, for p > 1 (whole or not) and x ≥ 0, to about 1e-14 of its value.

    SciPy has it for whole p only. For x below 1 it is computed by recurrence from an order in (0, 1], where the
    recurrence is stable, and above by the continued fraction.
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


Reading = Literal["independent", "pretraining", "alignment"]
"""The masses of D3: independent draws, as the theorem assumes, or the masses of D1 or of D2."""


THIRD: dict[Reading, int] = {"independent": 2, "pretraining": 0, "alignment": 1}
"""The index of the mass of D3 among the three independent masses of a leaf."""


Normalisation = Literal["difference", "ratio"]
"""The normalised rates: γ − log M in the ACL version (``difference``), (γ − log M) / (γ^D − log M) with M = 2^(d − 1)
leaves in the first version (``ratio``)."""


ROUNDING = 1e-12
"""A bound of the relative rounding error of the transforms, which the error estimate of the quadrature misses."""


class Rates(NamedTuple):
    """Rates in nats and their derivatives by l, for D1, D2, D3 (first axis) and each cell (second axis)."""

    rates: Array
    slopes: Array


def by_quadrature(law: Pareto, reading: Reading, k: Array, ell: Array) -> tuple[Rates, Rates]:
    """The rates and derivatives at each cell (k, l), and estimates of their errors.

    The integrals over three masses become integrals over one variable t from 0 to ∞, as 1/q = ∫ e^(−t q) dt and
    log q = ∫ (e^(−t) − e^(−t q)) / t dt: the expectation of e^(−t q) is a product of transforms of the masses.
    """
    weights, third = [k.copy(), np.ones_like(k), np.zeros_like(k)], THIRD[reading]
    weights[third] += ell
    total = k + 1 + ell

    def expected(t: Array, sizes: tuple[Array, ...], powers: tuple[int, ...]) -> Array:
        """E[∏ mass^power e^(−t q)]."""
        factors = (law.transform(powers.count(place), size * t) for place, size in enumerate(sizes))
        return np.asarray(np.prod(np.stack(np.broadcast_arrays(*factors)), axis=0))

    rates, slopes = [], []
    for own in (0, 1, third):
        logs = _integral(lambda t, *sizes, own=own: (np.exp(-t) - expected(t, sizes, (own,))) / t, weights)
        rates.append((np.log(total) - logs[0], logs[1]))
        slopes.append(
            _integral(
                lambda t, *sizes, own=own: np.exp(-t * sum(sizes)) - expected(t, sizes, (own, third)),
                weights,
            )
        )
    (values, value_errors), (changes, change_errors) = np.array(rates).swapaxes(0, 1), np.array(slopes).swapaxes(0, 1)
    errors = Rates(value_errors + ROUNDING * (1 + np.log(total)), change_errors + ROUNDING / total)
    return Rates(values, changes), errors


def _integral(function: Callable[..., Array], sizes: list[Array]) -> tuple[Array, Array]:
    """The integral from 0 to ∞ for each cell, with an estimate of its error."""
    found: Any = integrate.tanhsinh(function, 0, np.inf, args=tuple(sizes), atol=1e-16, rtol=1e-12, maxlevel=12)
    return found.integral, found.error


def derivatives(at: Rates, normalisation: Normalisation, k: Array, ell: Array) -> Array:
    """dγ1/dl and dγ2/dl (first axis) of normalised rates.

    The rate of the joint corpus is the mean over the corpora in proportion to their sizes. As k γ1' + γ2' + l γ3' = 0
    (the joint code is the best one for the joint corpus), only the share of D3 changes it.
    """
    if normalisation == "difference":
        return at.slopes[:2]
    together, change = _together(at, k, ell)
    return (at.slopes[:2] * together - at.rates[:2] * change) / together**2


def derivative_errors(at: Rates, errors: Rates, normalisation: Normalisation, k: Array, ell: Array) -> Array:
    """Bounds, to first order, of the errors of ``derivatives``."""
    if normalisation == "difference":
        return errors.slopes[:2]
    together, change = _together(at, k, ell)
    sizes = k + 1 + ell
    error = (k * errors.rates[0] + errors.rates[1] + ell * errors.rates[2]) / sizes
    change_error = (errors.rates[2] + error) / sizes
    by_numerator = errors.slopes[:2] * abs(together) + abs(at.slopes[:2]) * error
    by_numerator += errors.rates[:2] * abs(change) + abs(at.rates[:2]) * change_error
    by_denominator = 2 * abs(derivatives(at, normalisation, k, ell) / together) * error
    return np.asarray(by_numerator / together**2 + by_denominator)


def _together(at: Rates, k: Array, ell: Array) -> tuple[Array, Array]:
    """The rate of the joint corpus, which is negative, and its derivative by l."""
    sizes = k + 1 + ell
    together = (k * at.rates[0] + at.rates[1] + ell * at.rates[2]) / sizes
    return together, (at.rates[2] - together) / sizes


def expanded(law: Pareto, reading: Reading, normalisation: Normalisation, k: Array, ell: Array) -> Array:
    """dγ1/dl and dγ2/dl (first axis) to leading order in 1/k."""
    square, inverse = law.moment(2), law.moment(-1)
    excess = square * inverse - 1  # 2 / ((α − 2) (α + 1))
    if reading == "independent":
        slopes = np.array([((1 + ell * square) * inverse - 1 - ell) / k**2, -(inverse - 1) / k])
    elif reading == "pretraining":
        slopes = np.array([-excess / k**3, excess / k**2])
    else:
        slopes = np.array([(1 + ell) * excess / k**2, -excess / k])
    if normalisation == "difference":
        return slopes
    large, small = law.mean_x_log, -law.mean_log  # −γ1 and γ2 for k → ∞, the former that of the joint corpus, too
    change = (-1 if reading == "pretraining" else k) * (large + small) / k**2
    return np.array([change / large, (-large * slopes[1] - small * change) / large**2])
