"""The figure of a rebound experiment."""

from elasticity.command import Command
from elasticity.figures import rebound, save
from elasticity.jobs import ReboundFigureJob
from elasticity.judgement import read_csv
from elasticity.settings import opposite

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    sides = command.job.experiment.first_side, opposite(command.job.experiment.first_side)
    figure = rebound(read_csv(command.path("table")), command.job.experiment.bases, sides, command.job.score)
    save(figure, command.paths("figures"))
