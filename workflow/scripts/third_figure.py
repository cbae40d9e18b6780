"""The figure of a realignment stage."""

from elasticity.analysis.jobs import ReboundFigureJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.rebound import way_back
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    experiment = command.job.experiment
    figure = way_back(read_csv(command.path("table")), experiment.bases, experiment.alignment_side, command.job.score)
    save(figure, command.paths("figures"))
