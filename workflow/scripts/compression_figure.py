"""The figures of compression rates and of distances from the base model."""

from elasticity.analysis.jobs import ReboundFigureJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.compression import distances, rates
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, ReboundFigureJob, "table", "distances", output="rates") as command:
    table, job = read_csv(command.path("table")), command.job
    save(rates(table, job.experiment.bases, job.sides), command.paths("rates"))
    save(distances(table, job.experiment.bases, job.sides), command.paths("distances"))
