"""The figure of the calibration: rates of rejection, and coverage of intervals."""

from elasticity.calibration_figures import calibration
from elasticity.calibration_settings import CalibrationJob
from elasticity.command import Command
from elasticity.figures import save
from elasticity.judgement import read_csv

with Command(__doc__, CalibrationJob, "table", output="figures") as command:
    save(calibration(read_csv(command.path("table"))), command.paths("figures"))
