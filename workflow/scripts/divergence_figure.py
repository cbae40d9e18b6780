"""The figure of divergences from the base model."""

from elasticity.command import Command
from elasticity.figures import divergence, save
from elasticity.judgement import read_csv
from elasticity.judging_jobs import ReboundFigureJob

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    table, job = read_csv(command.path("table")), command.job
    save(divergence(table, job.experiment.bases, job.sides), command.paths("figures"))
