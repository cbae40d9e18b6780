"""Measures of a rebound experiment, computed from ``Curves``.

A measure is NaN where it cannot be computed: the smallest N is not 0 but the measure needs it, there are too few N, or
a score is missing. Where a measure takes a curve to fall, the curve is replaced by its isotonic fit g, the
non-increasing function of N that is nearest by least squares. Between sizes g is linear in N up to the first N > 0,
then linear in log N.
"""

import numpy as np

from elasticity.analysis.measures.inputs import Curves, Floats
from elasticity.analysis.relaxation import relaxation
from elasticity.config.measures import joint_measure, measure

PARAMETERS = {1: 3, 2: 5}
"""The parameters of a relaxation in one phase and in two: a level, and a time and an amplitude for each phase."""


SCORED = ("score-model", "score-model-centred", "text")
"""The checks that every measure of scores needs."""


MOVED = (*SCORED, "moved")
"""The checks of measures of what happens after the alignment stage has moved the model."""


EVERY = (*SCORED, "every-size-moved")
"""The checks of measures that need each P to have moved the model."""


PRECISION = 1e-5
"""The rounding of scores in tables, as a share of their spread: a smaller residual of a fit is not noise."""


def non_increasing(scores: Floats) -> Floats:
    """The isotonic fit g of each curve; NaN for a curve with a missing score."""
    from scipy.optimize import isotonic_regression

    fit: Floats = np.apply_along_axis(lambda curve: isotonic_regression(curve, increasing=False).x, -1, scores)
    return np.where(np.isnan(scores).any(axis=-1, keepdims=True), np.nan, fit)


@measure(
    "start",
    kind="rebound",
    unit="score",
    title="start: above base at N = 0",
    from_zero=True,
    per_prompt=True,
    needs=SCORED,
)
def start(curves: Curves) -> Floats:
    """s(P, 0) − b: how far the alignment stage moved the model, in units of the score. Shape (...)."""
    return curves.scores[..., 0] - curves.base if curves.from_zero else curves.missing


@measure("end", kind="rebound", unit="score", title="end: above base at last N", per_prompt=True, needs=MOVED)
def end(curves: Curves) -> Floats:
    """s(P, N_max) − b: the score after the whole inverse stage, below 0 if it passed the base. Shape (...)."""
    return curves.scores[..., -1] - curves.base if curves.inverse_sizes[-1] > 0 else curves.missing


joint_measure(
    "crossing",
    __name__,
    kind="rebound",
    unit="score",
    title="crossing",
    parts=("crossing-start", "crossing-end"),
    between_sizes=True,
    from_zero=True,
    needs=MOVED,
)


@measure(
    "crossing-start",
    kind="rebound",
    unit="score",
    title="at N = 0",
    between_sizes=True,
    from_zero=True,
    per_prompt=True,
    needs=SCORED,
)
def crossing_start(curves: Curves) -> Floats:
    """s(P_max, 0) − s(P_min, 0), in units of the score, for scores of shape (..., P, N) with ascending P.

    The order of the sizes P is reversed if this and ``crossing_end`` are both above 0, which is what the paper's
    rebound figure claims. Shape (...); NaN for a single P or N, or without N = 0.
    """
    if not curves.from_zero or not _several(curves):
        return curves.missing_between_sizes
    return curves.scores[..., -1, 0] - curves.scores[..., 0, 0]


@measure(
    "crossing-end",
    kind="rebound",
    unit="score",
    title="at the largest N",
    between_sizes=True,
    per_prompt=True,
    needs=MOVED,
)
def crossing_end(curves: Curves) -> Floats:
    """s(P_min, N_max) − s(P_max, N_max), in units of the score. Shape (...); NaN for a single P or N."""
    if not _several(curves):
        return curves.missing_between_sizes
    return curves.scores[..., 0, -1] - curves.scores[..., -1, -1]


def _several(curves: Curves) -> bool:
    """Whether there are two sizes P and two sizes N to compare."""
    return bool(curves.scores.shape[-2] > 1 and curves.scores.shape[-1] > 1)


@measure(
    "reversal-ratio", kind="rebound", unit="log2(N / P)", title="reversal ratio", axis="log2(N_base / P)", needs=EVERY
)
def reversal_ratio(curves: Curves) -> tuple[Floats, Floats]:
    """Bounds of log2(N_base / P), with N_base the first N at which g is down at b. Shape (...) each.

    Both bounds are the value where g passes b between two sizes. A curve that never comes down to the base has
    N_base > N_max: the bounds are [log2(N_max / P), inf]. A curve that is not above the base at the first size N_1 > 0
    was back before anything could be seen: [−inf, log2(N_1 / P)]. The ratio is NaN for a curve that is not above the
    base at N = 0: the alignment stage has not moved it away, so it cannot come back. Below 0, fewer examples take the
    model back than moved it away; for a model that takes one step per example in either direction it is 0.
    """
    sizes = np.asarray(curves.inverse_sizes, dtype=float)
    if sizes[-1] == 0:
        return curves.missing, curves.missing
    first = sizes[sizes > 0][0]
    fit = non_increasing(curves.scores)
    level = np.broadcast_to(curves.base, fit.shape[:-1])
    passed = _size(_passing(_place(sizes, first), fit, level), first)
    at_once, never = fit[..., 0] <= level, fit[..., -1] > level
    unmoved = np.nan if curves.from_zero else 0
    low = np.where(at_once, unmoved, np.where(never, sizes[-1], passed))
    high = np.where(at_once, unmoved + first, np.where(never, np.inf, passed))
    with np.errstate(divide="ignore"):
        return np.log2(low / curves.alignment_sizes), np.log2(high / curves.alignment_sizes)


@measure(
    "initial-rate",
    kind="rebound",
    unit="share of the fall per example",
    title="initial rate",
    axis="share per example",
    from_zero=True,
    least_sizes=3,
    needs=EVERY,
)
def initial_rate(curves: Curves) -> Floats:
    """(s(P, 0) − s(P, N_1)) / (s(P, 0) − s(P, N_max)) / N_1: the share of the whole fall per example at first.

    The division by the whole fall removes the effect of a larger fall on the slope: curves that relax at the same rate
    have the same value for all P. N_1 is the first N > 0. NaN where nothing fell. Shape (...).
    """
    sizes, scores = curves.inverse_sizes, curves.scores
    if not curves.from_zero or len(sizes) < 3:
        return curves.missing
    fall = scores[..., 0] - scores[..., -1]
    rate: Floats = (scores[..., 0] - scores[..., 1]) / np.where(fall > 0, fall, np.nan) / sizes[1]
    return rate


@measure(
    "two-phase",
    kind="rebound",
    unit="ΔBIC",
    title="two phases against one",
    least_sizes=PARAMETERS[2] + 1,
    needs=MOVED,
)
def two_phase(curves: Curves) -> Floats:
    """ΔBIC = n ln(R₁ / R₂) − 2 ln n: above 0, two exponential phases fit better than one. Shape (...).

    R₁ and R₂ are the residual sums of squares of a ``relaxation`` in one and in two phases, fitted to the n scores of a
    curve. NaN unless n is larger than the five parameters of two phases.
    """
    sizes, scores = curves.inverse_sizes, curves.scores
    count = len(sizes)
    if count <= PARAMETERS[2]:
        return curves.missing
    spread = np.square(scores - scores.mean(axis=-1, keepdims=True)).sum(axis=-1)
    rounding = PRECISION**2 * np.where(spread > 0, spread, 1)
    one = np.maximum(relaxation(sizes, scores, 1)[1], rounding)
    two = np.minimum(one, np.maximum(relaxation(sizes, scores, 2)[1], rounding))
    better: Floats = count * np.log(one / two) - (PARAMETERS[2] - PARAMETERS[1]) * np.log(count)
    return better


@measure("area", kind="rebound", unit="score", title="area: mean depth", from_zero=True, least_sizes=2, needs=MOVED)
def area(curves: Curves) -> Floats:
    """∫ max(0, b − s(P, N)) dN / N_max over N from 0 to N_max: the mean depth below the base, in units of the score.

    The curve is linear in N between sizes, also where it passes the base. Shape (...).
    """
    sizes = curves.inverse_sizes
    if not curves.from_zero or len(sizes) < 2:
        return curves.missing
    depth = np.asarray(curves.base)[..., None] - curves.scores
    before, after = depth[..., :-1], depth[..., 1:]
    slanted = before != after
    # The integral of max(0, d) over a line from d0 to d1 is (max(0, d1)² − max(0, d0)²) / 2 over its slope
    square = np.maximum(after, 0) ** 2 - np.maximum(before, 0) ** 2
    means = np.where(slanted, square / 2 / np.where(slanted, after - before, 1), np.maximum(before, 0))
    depths: Floats = (means * np.diff(sizes)).sum(axis=-1) / sizes[-1]
    return depths


@measure("overshoot", kind="rebound", unit="score", title="overshoot: deepest", needs=MOVED)
def overshoot(curves: Curves) -> Floats:
    """b − min over N of s(P, N), in units of the score: how far the score ever went past the base. Shape (...)."""
    deepest: Floats = curves.base - curves.scores.min(axis=-1)
    return deepest


@measure(
    "matched-fall",
    kind="rebound",
    unit="score",
    title="fall from matched start",
    from_zero=True,
    least_sizes=2,
    needs=EVERY,
)
def matched_fall(curves: Curves) -> Floats:
    """How far the curve of each P falls over the next ΔN examples from a score that all curves start from or above.

    That score is s* = min over P of g(P, 0), and N*(P) is the first N with g(P, N) = s*; the fall is
    s* − g(P, N*(P) + ΔN), with ΔN = N_max − max over P of N*(P), in units of the score. Where models with equal scores
    fall alike, whatever they were trained on before, it is the same for all P except for the interpolation. NaN if a
    curve does not come down to s* before N_max, and for a single P. ``scores`` has shape (..., P, N), the result
    (..., P).
    """
    sizes = np.asarray(curves.inverse_sizes, dtype=float)
    if not curves.from_zero or len(sizes) < 2 or curves.scores.shape[-2] < 2:
        return curves.missing
    places = _place(sizes, sizes[1])
    fit = non_increasing(curves.scores)
    level = np.broadcast_to(fit[..., 0].min(axis=-1, keepdims=True), fit.shape[:-1])
    passed = _size(_passing(places, fit, level), sizes[1])
    further = sizes[-1] - passed.max(axis=-1, keepdims=True)
    fallen = level - _height(places, fit, _place(passed + further, sizes[1]))
    return np.where(further > 0, fallen, np.nan)


def _place(sizes: Floats, first: float) -> Floats:
    """The place of each N on an axis that is linear up to the first N > 0, then logarithmic, and smooth in between."""
    return np.where(sizes > first, 1 + np.log(np.maximum(sizes, first) / first), sizes / first)


def _size(places: Floats, first: float) -> Floats:
    """The N at each place: the inverse of ``_place``."""
    return first * np.where(places > 1, np.exp(np.maximum(places, 1) - 1), places)


def _passing(places: Floats, fit: Floats, level: Floats) -> Floats:
    """The first place at which each falling curve is down at its level; NaN if it never is. Shape (...)."""
    down = fit <= level[..., None]
    after = down.argmax(axis=-1)
    before = np.maximum(after - 1, 0)
    high, low = (np.take_along_axis(fit, i[..., None], axis=-1)[..., 0] for i in (before, after))
    drop = np.where(after > 0, high - low, 1)
    share = np.where(after > 0, (high - level) / drop, 0)
    found = places[before] + share * (places[after] - places[before])
    return np.where(down.any(axis=-1), found, np.nan)


def _height(places: Floats, fit: Floats, at: Floats) -> Floats:
    """The height of each curve at a place of its own. Shape (...)."""
    before = np.clip(np.searchsorted(places, at, side="right") - 1, 0, len(places) - 2)
    low, high = (np.take_along_axis(fit, i[..., None], axis=-1)[..., 0] for i in (before, before + 1))
    return low + (at - places[before]) / (places[before + 1] - places[before]) * (high - low)
