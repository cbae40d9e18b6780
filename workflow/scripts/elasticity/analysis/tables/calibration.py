"""The table of the calibration: how often the tests of the verdicts reject on simulated experiments."""

from typing import TYPE_CHECKING

from elasticity.analysis.jobs import CalibrationJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[CalibrationJob]") -> None:
    """Write the table."""
    from elasticity.analysis.calibration import calibration_table

    write_csv(calibration_table(command.job), command.path("table"))


TABLE = Table(
    job=CalibrationJob,
    of="study",
    outputs={"table": "calibration.csv"},
    make=make,
    chapter="Calibration",
    subject="tests",
    shown={
        "table": Shown(
            label="table",
            caption="""
How often the tests that verdicts rest on reject at the level 0.05, over simulated experiments with this study's sizes P
and N, seeds and prompts. ``scenario``: in ``nothing`` training changes no score; in a ``relaxation`` all P fall at one
rate to one floor; in ``proportional`` it takes P examples to take back what P examples brought; in a ``rebound`` the
largest P ends lowest. For resistance: in ``alike`` nothing differs between directions; in ``entropies`` the entropy of
the targets' responses differs, and the KL does not; in ``resistance`` the KL differs. ``role``: ``size`` where there is
no effect, so that ``rate`` should be at most 0.05; ``power`` where there is one; ``coverage`` for intervals, whose
``rate`` is how often they hold the true value. ``against``: how often the test for the opposite rejects, which should
be at most 0.05 except in a ``relaxation`` over ``value`` or ``sizes``, where a claim may be far from true. ``error``:
the Monte Carlo error of the rate. ``sized`` is False where a rate is on the wrong side of 0.05, or of 0.95, by more
than three errors of a test that keeps to its level: no verdict rests on that test.
""",
        )
    },
)
