"""Exponential relaxation in one phase or two, fitted to many curves at once.

One phase: s(N) = c + a exp(−N / T). Two: s(N) = c + a₁ exp(−N / T₁) + a₂ exp(−N / T₂) with a₁ and a₂ of one sign: both
fall or both rise, fast, then slow. Given the times T, the best amplitudes and c have a closed form, so only the times
are searched (variable projection, Golub and Pereyra 1973): on a grid, then from its best point (Levenberg-Marquardt).
"""

from itertools import combinations
from typing import Any, Literal

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


GRID = 24
"""The number of times on the grid, evenly spaced in their logarithm."""


FASTEST, SLOWEST = 0.25, 10.0
"""Ends of the grid, in units of the smallest distance between sizes and of the distance from first to last size.

A faster phase looks as if it were over at once, a slower one like a straight line.
"""


STEPS = 30
"""The number of steps of the search from the best point of the grid."""


LEAST_DAMPING, TINY = 1e-8, 1e-300
"""Least damping, relative to the squares of the slopes, and an absolute one for a time that changes nothing.

They keep the linear system of a step solvable.
"""


COLLINEAR = 1e-10
"""The value of 1 − r², with r the correlation of two phases, below which they count as one phase."""


def relaxation(sizes: Floats, scores: Floats, phases: Literal[1, 2]) -> tuple[Floats, Floats]:
    """Fit a relaxation: the times T in examples, shape (..., phases), and the residual sums of squares, shape (...).

    ``sizes`` has shape (N,) and ascends; ``scores`` has shape (..., N). Where the best second amplitude would have the
    other sign it is 0, and the time of that phase is arbitrary.
    """
    since = np.asarray(sizes, dtype=float) - sizes[0]
    values = scores - scores.mean(axis=-1, keepdims=True)
    fastest, slowest = np.log(FASTEST * np.diff(since).min()), np.log(SLOWEST * since[-1])
    best = np.full((*values.shape[:-1], phases), np.nan)
    least = np.full(values.shape[:-1], np.inf)
    for times in combinations(np.linspace(fastest, slowest, GRID), phases):
        left = np.square(_rest(since, values, np.array(times))).sum(axis=-1)
        best[left < least] = times
        least = np.minimum(left, least)
    best = _search(since, values, best, (fastest, slowest))
    return np.exp(best), np.square(_rest(since, values, best)).sum(axis=-1)


def _search(since: Floats, values: Floats, best: Floats, ends: tuple[float, float]) -> Floats:
    """Improve logarithms of times by damped Gauss-Newton steps, which are taken where they reduce the residual."""
    one, by = np.eye(best.shape[-1]), 1e-6
    damping = np.full((*values.shape[:-1], 1, 1), 1e-2)
    rest = _rest(since, values, best)
    for _ in range(STEPS):
        slopes = np.stack([_rest(since, values, best + by * axis) - rest for axis in one], axis=-1) / by
        gram = slopes.mT @ slopes
        scale = np.diagonal(gram, axis1=-2, axis2=-1)[..., None] * one
        damped = gram + damping * scale + TINY * one
        step = np.linalg.solve(damped, slopes.mT @ rest[..., None])[..., 0]
        tried = np.clip(best - step, *ends)
        left = _rest(since, values, tried)
        better = (np.square(left).sum(axis=-1) < np.square(rest).sum(axis=-1))[..., None]
        best, rest = np.where(better, tried, best), np.where(better, left, rest)
        damping = np.where(better[..., None], np.maximum(damping / 5, LEAST_DAMPING), damping * 4)
    return best


def _rest(since: Floats, values: Floats, logarithms: Floats) -> Floats:
    """The residuals of curves with the best amplitudes, for times with these logarithms; ``values`` have mean 0."""
    shapes = np.exp(-since / np.exp(logarithms)[..., None])
    shapes = shapes - shapes.mean(axis=-1, keepdims=True)
    shapes = shapes / np.linalg.norm(shapes, axis=-1, keepdims=True)
    amplitudes = shares = (shapes @ values[..., None])[..., 0]
    if shares.shape[-1] == 2:
        correlation = (shapes[..., :1, :] @ shapes[..., 1, :, None])[..., 0]
        apart = 1 - correlation**2
        both = (shares - correlation * shares[..., ::-1]) / np.maximum(apart, COLLINEAR)
        alone = shares * (np.arange(2) == np.abs(shares).argmax(axis=-1)[..., None])
        together = (both.prod(axis=-1, keepdims=True) > 0) & (apart > COLLINEAR)
        amplitudes = np.where(together, both, alone)
    rest: Floats = values - (amplitudes[..., None, :] @ shapes)[..., 0, :]
    return rest
