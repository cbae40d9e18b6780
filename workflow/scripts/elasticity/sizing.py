"""What the calibration found of the tests that a verdict rests on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from elasticity.inference import LEVEL
from elasticity.verdicts_jobs import JudgedClaim

ERRORS = 3
"""Monte Carlo errors that a rate may be off: of many tests that are right, few are called wrong."""

UNEQUAL = "relaxation"
"""Where a claim within one experiment may be far from its margin, on the other side: to refute it is right."""


@dataclass(frozen=True)
class Sizing:
    """How often the t test of a claim is wrong, in simulated experiments of the claim's design.

    ``confirms`` is the share in which it confirms what is not there, ``refutes`` that in which it refutes what is, or
    what is right at the margin; ``confirms_too_often`` and ``refutes_too_often``: these are above the level.
    """

    confirms: float
    confirms_too_often: bool
    refutes: float
    refutes_too_often: bool


def allowance(draws: "pd.Series[int]") -> "pd.Series[float]":
    """How far the rate of a test that keeps to its level may be above it in so many draws, or that of an interval be
    below its confidence."""
    return ERRORS * (LEVEL * (1 - LEVEL) / draws) ** 0.5


def sizing(judged: JudgedClaim, calibration: pd.DataFrame) -> Sizing | None:
    """Of a claim's t test, at its worst; None if the calibration does not cover it.

    ``calibration`` is what ``calibration_table`` makes. It tries a claim in the direction that the paper's has.
    """
    claim = judged.claim
    keys = {"measure": claim.measure, "over": judged.compares, "direction": claim.direction}
    own = np.logical_and.reduce([calibration[key] == value for key, value in keys.items()])
    designs = calibration["design"].str.split(", ").map(lambda names: claim.experiment in names)
    rows = calibration[own & designs & (calibration["test"] == "t")]
    null = rows[rows["role"] == "size"]
    if null.empty:
        return None
    within = judged.compares in ("value", "sizes")
    held = rows[~((rows["scenario"] == UNEQUAL) & within)]
    return Sizing(
        confirms=float(null["rate"].max()),
        confirms_too_often=not null["sized"].astype(bool).all(),
        refutes=float(held["against"].max()),
        refutes_too_often=bool((held["against"] > LEVEL + allowance(held["draws"])).any()),
    )
