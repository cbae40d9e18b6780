"""What is measured of a trajectory: the score after P examples of the alignment stage and then N of the second.

Scores are turned so that the alignment stage is up. ``sizes_n`` holds N, shape (N,), ascending; ``scores`` holds s(P, N),
one curve or many: shape (..., N), or (..., P, N) where a measure compares the arms P. ``base`` is b, the score of the
base model, for all curves or for each. A measure is NaN where it cannot be computed: the smallest N is not 0 but the
measure needs it, there are too few N, or a score is missing. Where a curve is taken to fall, it is replaced by its
isotonic fit g, the non-increasing function of N that is nearest by least squares. Between sizes g is linear in N up to
the first N > 0, then linear in log N.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from elasticity.analysis.relaxation import relaxation

Floats = np.ndarray[Any, np.dtype[np.float64]]


PARAMETERS = {1: 3, 2: 5}
"""Of a relaxation in one phase and in two: a level, and a time and an amplitude for each phase."""


PRECISION = 1e-5
"""Of scores in tables, as a share of how far they spread: what a fit leaves below it is rounding."""


def non_increasing(scores: Floats) -> Floats:
    """The isotonic fit g of each curve; NaN where a score of the curve is."""
    fit: Floats = np.apply_along_axis(lambda curve: isotonic_regression(curve, increasing=False).x, -1, scores)
    return np.where(np.isnan(scores).any(axis=-1, keepdims=True), np.nan, fit)


def start(sizes_n: Floats, scores: Floats, base: float | Floats) -> Floats:
    """s(P, 0) − b: how far the alignment stage moved the model, in units of the score. Shape (...)."""
    return scores[..., 0] - base if _from_zero(sizes_n) else _missing(scores)


def end(sizes_n: Floats, scores: Floats, base: float | Floats) -> Floats:
    """s(P, N_max) − b: where the inverse stage left it, in units of the score; below 0 past the base. Shape (...)."""
    return scores[..., -1] - base if sizes_n[-1] > 0 else _missing(scores)


def crossing(scores: Floats) -> tuple[Floats, Floats]:
    """s(P_max, 0) − s(P_min, 0) and s(P_min, N_max) − s(P_max, N_max), in units of the score, of scores (..., P, N).

    The order of the arms is reversed if both are above 0, which is what the paper's rebound figure claims. P ascends,
    and the first N is 0. Shape (...) each; NaN for a single P or N.
    """
    if scores.shape[-2] < 2 or scores.shape[-1] < 2:
        missing = np.full(scores.shape[:-2], np.nan)
        return missing, missing
    return scores[..., -1, 0] - scores[..., 0, 0], scores[..., 0, -1] - scores[..., -1, -1]


def reversal_ratio(sizes_n: Floats, scores: Floats, base: float | Floats, p: float | Floats) -> tuple[Floats, Floats]:
    """Bounds of log2(N_base / P), with N_base the first N at which g is down at b. Shape (...) each.

    Both bounds are the value where g passes b between two sizes. A curve that never comes down to the base has
    N_base > N_max: the bounds are [log2(N_max / P), inf]. One that is not above the base at the first size N_1 > 0 was
    back before anything could be seen: [−inf, log2(N_1 / P)]. NaN of one that is not above it at N = 0: the alignment stage
    has not brought it away, so that it cannot come back. Below 0, fewer examples take the model back than brought it
    away; of a model that takes a step for each example, forth or back, it is 0.
    """
    sizes = np.asarray(sizes_n, dtype=float)
    if sizes[-1] == 0:
        return _missing(scores), _missing(scores)
    first = sizes[sizes > 0][0]
    fit = non_increasing(scores)
    level = np.broadcast_to(base, fit.shape[:-1])
    passed = _size(_passing(_place(sizes, first), fit, level), first)
    at_once, never = fit[..., 0] <= level, fit[..., -1] > level
    unmoved = np.nan if _from_zero(sizes) else 0
    low = np.where(at_once, unmoved, np.where(never, sizes[-1], passed))
    high = np.where(at_once, unmoved + first, np.where(never, np.inf, passed))
    with np.errstate(divide="ignore"):
        return np.log2(low / p), np.log2(high / p)


def initial_rate(sizes_n: Floats, scores: Floats) -> Floats:
    """(s(P, 0) − s(P, N_1)) / (s(P, 0) − s(P, N_max)) / N_1: the share of the whole fall per example at first.

    Dividing by the whole fall takes away what a larger fall does to a slope: of curves that relax at one rate it is
    the same for all P. N_1 is the first N > 0. NaN where nothing fell. Shape (...).
    """
    if not _from_zero(sizes_n) or len(sizes_n) < 3:
        return _missing(scores)
    fall = scores[..., 0] - scores[..., -1]
    rate: Floats = (scores[..., 0] - scores[..., 1]) / np.where(fall > 0, fall, np.nan) / sizes_n[1]
    return rate


def two_phase(sizes_n: Floats, scores: Floats) -> Floats:
    """ΔBIC = n ln(R₁ / R₂) − 2 ln n: above 0, two exponential phases fit better than one. Shape (...).

    R is the sum of squares that a ``relaxation`` in one or two phases leaves of the n scores of a curve, n more than
    the five parameters of two phases.
    """
    count = len(sizes_n)
    if count <= PARAMETERS[2]:
        return _missing(scores)
    spread = np.square(scores - scores.mean(axis=-1, keepdims=True)).sum(axis=-1)
    rounding = PRECISION**2 * np.where(spread > 0, spread, 1)
    one = np.maximum(relaxation(sizes_n, scores, 1)[1], rounding)
    two = np.minimum(one, np.maximum(relaxation(sizes_n, scores, 2)[1], rounding))
    better: Floats = count * np.log(one / two) - (PARAMETERS[2] - PARAMETERS[1]) * np.log(count)
    return better


def area(sizes_n: Floats, scores: Floats, base: float | Floats) -> Floats:
    """∫ max(0, b − s(P, N)) dN / N_max over N from 0 to N_max: the mean depth below the base, in units of the score.

    The curve is linear in N between sizes, also where it passes the base. Shape (...).
    """
    if not _from_zero(sizes_n) or len(sizes_n) < 2:
        return _missing(scores)
    depth = np.asarray(base)[..., None] - scores
    before, after = depth[..., :-1], depth[..., 1:]
    slanted = before != after
    # The integral of max(0, d) over a line from d0 to d1 is (max(0, d1)² − max(0, d0)²) / 2 over its slope
    square = np.maximum(after, 0) ** 2 - np.maximum(before, 0) ** 2
    means = np.where(slanted, square / 2 / np.where(slanted, after - before, 1), np.maximum(before, 0))
    depths: Floats = (means * np.diff(sizes_n)).sum(axis=-1) / sizes_n[-1]
    return depths


def overshoot(scores: Floats, base: float | Floats) -> Floats:
    """b − min over N of s(P, N), in units of the score: how far it ever went past the base. Shape (...)."""
    deepest: Floats = base - scores.min(axis=-1)
    return deepest


def matched_fall(sizes_n: Floats, scores: Floats) -> Floats:
    """How far each arm falls over the next ΔN examples from where it passes a score that all start from or above.

    That score is s* = min over P of g(P, 0), and N*(P) the first N with g(P, N) = s*; the fall is
    s* − g(P, N*(P) + ΔN), with ΔN = N_max − max over P of N*(P), in units of the score. Where models that score alike
    fall alike, whatever they saw before, it is the same for all P but for the interpolation. NaN if an arm is not down
    at s* before N_max, and for a single arm. ``scores`` has shape (..., P, N), the result (..., P).
    """
    sizes = np.asarray(sizes_n, dtype=float)
    if not _from_zero(sizes) or len(sizes) < 2 or scores.shape[-2] < 2:
        return _missing(scores)
    places = _place(sizes, sizes[1])
    fit = non_increasing(scores)
    level = np.broadcast_to(fit[..., 0].min(axis=-1, keepdims=True), fit.shape[:-1])
    passed = _size(_passing(places, fit, level), sizes[1])
    further = sizes[-1] - passed.max(axis=-1, keepdims=True)
    fallen = level - _height(places, fit, _place(passed + further, sizes[1]))
    return np.where(further > 0, fallen, np.nan)


def _from_zero(sizes_n: Floats) -> bool:
    return bool(sizes_n[0] == 0)


def _missing(scores: Floats) -> Floats:
    return np.full(scores.shape[:-1], np.nan)


def _place(sizes: Floats, first: float) -> Floats:
    """Where N stands on an axis that is linear up to the first N > 0, then logarithmic; smooth where they meet."""
    return np.where(sizes > first, 1 + np.log(np.maximum(sizes, first) / first), sizes / first)


def _size(places: Floats, first: float) -> Floats:
    """The N at such places."""
    return first * np.where(places > 1, np.exp(np.maximum(places, 1) - 1), places)


def _passing(places: Floats, fit: Floats, level: Floats) -> Floats:
    """The first place at which each falling curve is down at its level; NaN where it never is. Shape (...)."""
    down = fit <= level[..., None]
    after = down.argmax(axis=-1)
    before = np.maximum(after - 1, 0)
    high, low = (np.take_along_axis(fit, i[..., None], axis=-1)[..., 0] for i in (before, after))
    drop = np.where(after > 0, high - low, 1)
    share = np.where(after > 0, (high - level) / drop, 0)
    found = places[before] + share * (places[after] - places[before])
    return np.where(down.any(axis=-1), found, np.nan)


def _height(places: Floats, fit: Floats, at: Floats) -> Floats:
    """Each curve at a place of its own. Shape (...)."""
    before = np.clip(np.searchsorted(places, at, side="right") - 1, 0, len(places) - 2)
    low, high = (np.take_along_axis(fit, i[..., None], axis=-1)[..., 0] for i in (before, before + 1))
    return low + (at - places[before]) / (places[before + 1] - places[before]) * (high - low)


THRESHOLD = 0.01
"""KL from the base model, in nats per token, below which the paper calls a model reverted."""


def reversion_size(sizes: Sequence[int], kls: Sequence[float], threshold: float = THRESHOLD) -> float | None:
    """The first number of examples at which the divergence from the base model is below the threshold.

    ``sizes`` ascend, and ``kls`` holds the divergence after each. The first size whose divergence is below is found on
    the grid; between it and the size before, log KL is taken as linear in the number of examples, as of an exponential
    decay. A later rise does not count. None if the divergence is never below: the size is censored at the last one.
    """
    below = next((i for i, kl in enumerate(kls) if kl < threshold), None)
    if below is None:
        return None
    if below == 0 or kls[below] <= 0:  # nothing before it, or a divergence of zero: no logarithm
        return float(sizes[below])
    high, low = math.log(kls[below - 1]), math.log(kls[below])
    share = (high - math.log(threshold)) / (high - low)
    return sizes[below - 1] + share * (sizes[below] - sizes[below - 1])
