"""The figure of the measures of an experiment."""

from elasticity.command import Command
from elasticity.figures import save
from elasticity.judging_jobs import MeasuresJob
from elasticity.measures_figures import measures
from elasticity.measures_table import read_measures

with Command(__doc__, MeasuresJob, "table", output="figures") as command:
    save(measures(read_measures(command.path("table")), command.job.bases), command.paths("figures"))
