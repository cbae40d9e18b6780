"""The table of the calibration: how often the tests of the verdicts reject, on simulated experiments."""

from elasticity.analysis.calibration import calibration_table
from elasticity.analysis.jobs import CalibrationJob
from elasticity.analysis.tables import write_table
from elasticity.runtime.command import Command

with Command(__doc__, CalibrationJob, "html", output="table") as command:
    write_table(calibration_table(command.job), command.path("table"), command.path("html"))
