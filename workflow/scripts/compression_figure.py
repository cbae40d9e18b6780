"""The figures of compression rates and of distances from the base model."""

from elasticity.command import Command
from elasticity.compression_figures import distances, rates
from elasticity.figures import save
from elasticity.judgement import read_csv
from elasticity.judging_jobs import ReboundFigureJob

with Command(__doc__, ReboundFigureJob, "table", "distances", output="rates") as command:
    table, job = read_csv(command.path("table")), command.job
    save(rates(table, job.experiment.bases, job.sides), command.paths("rates"))
    save(distances(table, job.experiment.bases, job.sides), command.paths("distances"))
