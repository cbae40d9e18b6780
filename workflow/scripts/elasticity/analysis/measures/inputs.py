"""What measures are computed from: scores after two stages of training, and code lengths of two directions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from elasticity.config.measures import Outcome, computed, values_of

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Curves:
    """Scores, or leans, after P examples of the alignment stage and N of the inverse stage; the direction of P is up.

    ``inverse_sizes`` holds N in ascending order, shape (N,). ``scores`` holds s(P, N), one curve or many: shape
    (..., N), or (..., P, N) for a measure that compares sizes P. ``base`` is b, the score of the base model, and
    ``alignment_sizes`` is P: a number for all curves, or an array that broadcasts to the shape of the curves.
    """

    inverse_sizes: Floats
    scores: Floats
    base: float | Floats = np.nan
    alignment_sizes: float | Floats = np.nan

    @property
    def from_zero(self) -> bool:
        """Whether the smallest N is 0."""
        return bool(self.inverse_sizes[0] == 0)

    @property
    def missing(self) -> Floats:
        """NaN for each curve: the value of a measure that cannot be computed."""
        return np.full(self.scores.shape[:-1], np.nan)

    @property
    def missing_between_sizes(self) -> Floats:
        """NaN for each group of curves of all P: the same for a measure that compares sizes P."""
        return np.full(self.scores.shape[:-2], np.nan)


@dataclass(frozen=True)
class Directions:
    """Nats per token of forward and inverse fine-tuning, by column of the resistance table with one row per seed.

    The arrays of all columns have one value for each base model, seed and pair of slices, shape (rows,).
    """

    forward: Mapping[str, Floats]
    inverse: Mapping[str, Floats]


def rebound_bounds(curves: Curves, outcome: Outcome = "score") -> dict[str, tuple[Floats, Floats]]:
    """Lower and upper bounds of every rebound measure of an outcome, by name, for curves of shape (..., P, N).

    The arrays have shape (..., P), or (...) for a measure between sizes P.
    """
    return {measure.name: values_of(measure, curves) for measure in computed("rebound") if measure.outcome == outcome}
