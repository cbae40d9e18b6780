"""The figure of packed texts."""

from elasticity.command import Command
from elasticity.compression_figures import coding
from elasticity.figures import save
from elasticity.judgement import read_csv
from elasticity.judging_jobs import ReboundFigureJob

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    table, job = read_csv(command.path("table")), command.job
    save(coding(table, job.experiment.bases, job.sides), command.paths("figures"))
