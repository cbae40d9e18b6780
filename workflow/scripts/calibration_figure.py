"""The figure of the calibration: rates of rejection, and coverage of intervals."""

from elasticity.analysis.jobs import CalibrationJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.calibration import calibration
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, CalibrationJob, "table", output="figures") as command:
    save(calibration(read_csv(command.path("table"))), command.paths("figures"))
