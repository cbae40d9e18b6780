"""The table of the calibration: how often the tests of the verdicts reject on simulated experiments."""

from typing import TYPE_CHECKING

from elasticity.analysis.jobs import CalibrationJob
from elasticity.analysis.table import Shown, Table, write_csv

if TYPE_CHECKING:
    from elasticity.runtime.command import Command


def make(command: "Command[CalibrationJob]") -> None:
    """Write the error rates of single tests, and those of the claims of the study together."""
    from elasticity.analysis.calibration import calibration_table, with_noise
    from elasticity.analysis.families import family_table
    from elasticity.analysis.noise import read_noise

    noise = read_noise(command.path("noise"))
    job = command.job.model_copy(update={"settings": with_noise(command.job.settings, noise)})
    write_csv(calibration_table(job), command.path("table"))
    write_csv(family_table(job, noise), command.path("claims"))


TABLE = Table(
    job=CalibrationJob,
    of="study",
    inputs=("noise",),
    outputs={"table": "calibration.csv", "claims": "calibration-claims.csv"},
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
no effect, so that ``rate`` should be at most 0.05; ``power`` where there is one; ``rate_adjusted``: at the level that a
confirmatory claim has beside the others, 0.05 over their number, or more; ``coverage`` for intervals, whose
``rate`` is how often they hold the true value. ``against``: how often the test for the opposite rejects, which should
be at most 0.05 except in a ``relaxation`` over ``value`` or ``sizes``, where a claim may be far from true. ``error``:
the Monte Carlo error of the rate. ``sized`` is False where a rate is on the wrong side of 0.05, or of 0.95, by more
than three errors of a test that keeps to its level: no verdict rests on that test.
""",
        ),
        "claims": Shown(
            label="claims together",
            caption="""
How often each claim of the study is confirmed and refuted where all effects are ``absent``, and where all are exactly
at their ``margin``, the smallest effect that matters: simulated studies of as many seeds, with the standard deviation
``sd`` between seeds of the study that ``noise`` names, tested as the verdicts are, adjusted for the other claims and
for all looks. ``wrong`` is the rate of verdicts that are wrong there; for *any confirmatory claim* it should be at most
0.05, within three errors. The power to confirm an effect that just matters is ``confirmed`` in the rows ``margin``, the
power to refute an absent one is ``refuted`` in the rows ``absent``. ``seeds`` is the mean number of seeds when the
looks end.
""",
        ),
    },
)
