"""The figure of the measures of an experiment."""

from elasticity.analysis.jobs import MeasuresJob
from elasticity.analysis.measures_table import read_measures
from elasticity.plots.measures import measures
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, MeasuresJob, "table", output="figures") as command:
    save(measures(read_measures(command.path("table")), command.job.bases), command.paths("figures"))
