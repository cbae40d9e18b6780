"""The figure of a rebound experiment."""

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.figures import rebound, save
from elasticity.judgement import read_csv
from elasticity.study import Rebound, opposite

with errors_for_people():
    command = Command(__doc__, Rebound, "table", "figures")
    sides = command.job.first_side, opposite(command.job.first_side)
    figure = rebound(read_csv(command.path("table")), command.job.bases, sides, "share classified positive")
    save(figure, command.paths("figures"))
