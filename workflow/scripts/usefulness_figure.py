"""The figure of usefulness."""

from elasticity.command import Command
from elasticity.figures import save
from elasticity.judgement import read_csv
from elasticity.judging_jobs import ReboundFigureJob
from elasticity.usefulness_figures import usefulness

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    table, job = read_csv(command.path("table")), command.job
    save(usefulness(table, job.experiment.bases, job.sides), command.paths("figures"))
