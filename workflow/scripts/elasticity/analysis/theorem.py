"""The paper's elasticity theorem under its own assumptions, by quadrature and by expansion (derived in docs/theory.md).

On each of M leaves the corpora D1 (pre-training), D2 (alignment) and D3 (perturbation) have masses x, y, z of mean 1;
k = |D1| / |D2|, l = |D3| / |D2| (``ell``), and the joint mass is q / S with q = k x + y + l z and S = k + 1 + l. Rates
are −E[x log(q / S)], and likewise for y and z: γ − log M of the ACL version, in nats for a leaf that is coded, which is
for d tokens. Each corpus is a mixture of three independent sources, whose masses have one Pareto distribution; a
``Reading`` of the theorem says which mixtures (``mixtures``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize, special

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


Reading = Literal["independent", "contained", "pretraining", "alignment"]
"""What the corpora have in common.

- ``independent``: nothing, as the paper's proof assumes.
- ``contained``: D1 contains text distributed as D2 and as D3, each with the same share of D1.
- ``pretraining``, ``alignment``: D3 has the masses of D1, or of D2; D1 and D2 have nothing in common.
"""


def mixtures(reading: Reading, share: float = 1 / 3) -> Array:
    """Return the shares of three independent sources in D1, D2 and D3, shape (3 corpora, 3 sources).

    ``share`` is that of D2's and of D3's source in D1 if ``reading`` is ``contained``; 0 gives ``independent``.
    """
    shares = np.eye(3)
    if reading == "contained":
        shares[0] = 1 - 2 * share, share, share
    elif reading != "independent":
        shares[2] = shares[1 if reading == "alignment" else 0]
    return shares


Normalisation = Literal["difference", "ratio"]
"""The normalised rates: γ − log M in the ACL version (``difference``), (γ − log M) / (γ^D − log M) with M = 2^(d − 1)
leaves in the first version (``ratio``)."""


ROUNDING = 1e-12
"""A bound of the relative rounding error of the transforms, which the error estimate of the quadrature misses."""


class Rates(NamedTuple):
    """Rates in nats and their derivatives by l, for D1, D2, D3 (first axis) and each cell (second axis)."""

    rates: Array
    slopes: Array


def by_quadrature(law: Pareto, shares: Array, k: Array, ell: Array) -> tuple[Rates, Rates]:
    """The rates and derivatives at each cell (k, l), and estimates of their errors.

    ``shares`` are the mixtures of the corpora, from ``mixtures``.
    """
    total = k + 1 + ell
    at, errors = relative(law, shares, (k * shares[0, :, None] + shares[1, :, None] + ell * shares[2, :, None]) / total)
    return Rates(at.rates, at.slopes / total), Rates(errors.rates, errors.slopes / total)


def relative(law: Pareto, shares: Array, joint: Array) -> tuple[Rates, Rates]:
    """The rates −E[x log j] and the derivatives times S, 1 − E[x z / j], of each corpus, and estimates of their errors.

    ``joint`` holds the shares of the sources in the joint corpus, shape (3 sources, cells); j is its mass. The
    integrals over three masses become integrals over one variable t from 0 to ∞, as 1/j = ∫ e^(−t j) dt and
    log j = ∫ (e^(−t) − e^(−t j)) / t dt: the expectation of e^(−t j) is a product of transforms of the masses.
    """

    def logarithm(t: Array, *sizes: Array, own: Array) -> Array:
        means = (own[a] * _expected(law, t, sizes, (a,)) for a in range(3) if own[a])
        return (np.exp(-t) - sum(means)) / t

    logs = np.array([_integral(partial(logarithm, own=own), joint) for own in shares])
    changes = np.array([_change(law, own, shares[2], joint) for own in shares])
    return Rates(-logs[:, 0], changes[:, 0]), Rates(logs[:, 1] + ROUNDING, changes[:, 1] + ROUNDING)


def _change(law: Pareto, own: Array, other: Array, joint: Array) -> tuple[Array, Array]:
    """1 − E[x z / j] for the corpora x and z with these shares of the sources, and an estimate of its error."""
    products = [(own[a] * other[b], (a, b)) for a in range(3) for b in range(3) if own[a] * other[b]]

    def difference(t: Array, *sizes: Array) -> Array:
        return np.exp(-t) - sum(weight * _expected(law, t, sizes, places) for weight, places in products)

    return _integral(difference, joint)


def _expected(law: Pareto, t: Array, sizes: tuple[Array, ...], powers: tuple[int, ...]) -> Array:
    """E[∏ mass^power e^(−t j)], where ``powers`` lists a source once for each time that its mass is a factor."""
    factors = (law.transform(powers.count(source), size * t) for source, size in enumerate(sizes))
    return np.asarray(np.prod(np.stack(np.broadcast_arrays(*factors)), axis=0))


def _integral(function: Callable[..., Array], sizes: Array) -> tuple[Array, Array]:
    """The integral from 0 to ∞ for each cell, with an estimate of its error.

    With fewer levels than ``minlevel`` the estimate can be far too small.
    """
    found: Any = integrate.tanhsinh(
        function, 0, np.inf, args=tuple(sizes), atol=1e-16, rtol=1e-12, minlevel=6, maxlevel=12
    )
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


def expanded(
    law: Pareto, reading: Reading, normalisation: Normalisation, k: Array, ell: Array, share: float = 1 / 3
) -> Array:
    """dγ1/dl and dγ2/dl (first axis) to leading order in 1/k; NaN for the ratio if D1 contains D2 and D3."""
    square, inverse = law.moment(2), law.moment(-1)
    excess = square * inverse - 1  # 2 / ((α − 2) (α + 1))
    if reading == "independent":
        slopes = np.array([((1 + ell * square) * inverse - 1 - ell) / k**2, -(inverse - 1) / k])
    elif reading == "pretraining":
        slopes = np.array([-excess / k**3, excess / k**2])
    elif reading == "alignment":
        slopes = np.array([(1 + ell) * excess / k**2, -excess / k])
    else:
        shares = mixtures(reading, share)
        second, third = (_change(law, own, shares[2], shares[0, :, None])[0] for own in shares[1:])
        slopes = np.array([-(second + ell * third) / k**2, second / k])
    if normalisation == "difference":
        return slopes
    if reading == "contained":
        return np.full_like(slopes, np.nan)
    large, small = law.mean_x_log, -law.mean_log  # −γ1 and γ2 for k → ∞, the former that of the joint corpus, too
    change = (-1 if reading == "pretraining" else k) * (large + small) / k**2
    return np.array([change / large, (-large * slopes[1] - small * change) / large**2])


def turn(law: Pareto, k: float) -> float:
    """The share of each of D2 and D3 in D1 at which the signs of the derivatives change, for l → 0 and k > 1.

    The signs that the ACL version publishes hold above it, up to one half. ``k`` may be infinite.
    """

    def second_slope(share: float) -> float:
        shares = mixtures("contained", share)
        joint = shares[0] if np.isinf(k) else (k * shares[0] + shares[1]) / (k + 1)
        return float(_change(law, shares[1], shares[2], joint[:, None])[0][0])

    return float(optimize.brentq(second_slope, 0, 1 / 3, xtol=1e-9))


def turn_of_small_variance(k: Array) -> Array:
    """The limit of ``turn`` for masses of small variance, of any distribution: (3 − √(3 + 6/k)) / 6.

    With shares c of the sources in the joint corpus the published signs hold if c2 + c3 > Σ c².
    """
    return (3 - np.sqrt(3 + 6 / k)) / 6
