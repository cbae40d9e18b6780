"""The figure of a rebound experiment."""

from elasticity.command import Command
from elasticity.figures import rebound, save
from elasticity.judgement import read_csv
from elasticity.judging_jobs import ReboundFigureJob

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    table, job = read_csv(command.path("table")), command.job
    save(rebound(table, job.experiment.bases, job.sides, job.score), command.paths("figures"))
