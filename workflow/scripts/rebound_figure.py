"""The figure of a rebound experiment."""

from elasticity.analysis.jobs import ReboundFigureJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.rebound import rebound
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    table, job = read_csv(command.path("table")), command.job
    save(rebound(table, job.experiment.bases, job.sides, job.score), command.paths("figures"))
