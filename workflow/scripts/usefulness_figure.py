"""The figure of text statistics."""

from elasticity.analysis.jobs import ReboundFigureJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.rebound import text_statistics
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    table, job = read_csv(command.path("table")), command.job
    save(text_statistics(table, job.experiment.bases, job.sides), command.paths("figures"))
