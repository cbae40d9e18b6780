"""The table of the calibration: how often the tests of the verdicts reject, on simulated experiments."""

from elasticity.calibration import calibration_table
from elasticity.calibration_settings import CalibrationJob
from elasticity.command import Command
from elasticity.judgement import write_table

with Command(__doc__, CalibrationJob, "html", output="table") as command:
    write_table(calibration_table(command.job), command.path("table"), command.path("html"))
