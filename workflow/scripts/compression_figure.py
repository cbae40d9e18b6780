"""The figures of compression rates and of distances from the base model."""

from elasticity.command import Command
from elasticity.compression_figures import distances, rates
from elasticity.figures import save
from elasticity.jobs import ReboundFigureJob
from elasticity.judgement import read_csv
from elasticity.settings import opposite

with Command(__doc__, ReboundFigureJob, "table", "distances", output="rates") as command:
    table, experiment = read_csv(command.path("table")), command.job.experiment
    sides = experiment.first_side, opposite(experiment.first_side)
    save(rates(table, experiment.bases, sides), command.paths("rates"))
    save(distances(table, experiment.bases, sides), command.paths("distances"))
