"""What checks are computed from: the tables of one base model of an experiment, and the quality of its score model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from elasticity.analysis.aggregation import CONFIDENCE

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CheckInputs:
    """The rows of one base model of an experiment; a table that the study does not make is None.

    ``measures`` are rows of the table of measures, ``rebound`` of that of scores (one row for each P and N), and
    ``resistance`` of that of a resistance experiment (one row for each seed, pair and direction). ``quality`` holds
    what was measured of the score model on held-out texts, as in its JSON file.
    """

    measures: "pd.DataFrame"
    rebound: "pd.DataFrame | None"
    resistance: "pd.DataFrame | None"
    quality: Mapping[str, Any]


@dataclass(frozen=True)
class Checked:
    """The number that a check shows, whether what it stands for holds, and whether more seeds may make it hold."""

    value: float
    holds: bool
    more_seeds: bool = False


class Bounds(NamedTuple):
    """The ends of the one-sided 95 % t intervals of a mean over seeds; NaN with a single seed."""

    low: float
    high: float

    def checked(self, value: float) -> Checked:
        """Whether the mean is above 0 by more than noise; more seeds may tell where it is not below 0 either."""
        return Checked(value, self.low > 0, more_seeds=self.low <= 0 < self.high)


def bounds(values: "np.ndarray[Any, np.dtype[np.float64]]") -> Bounds:
    """The bounds of the mean of one number per seed."""
    from scipy import stats

    known = values[np.isfinite(values)]
    if len(known) < 2:
        return Bounds(float("nan"), float("nan"))
    half = stats.t.ppf(CONFIDENCE, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return Bounds(float(known.mean() - half), float(known.mean() + half))
