"""The figure of a resistance experiment for one base model."""

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.figures import resistance, save
from elasticity.jobs import ResistanceFigureJob
from elasticity.judgement import read_csv

with errors_for_people():
    command = Command(__doc__, ResistanceFigureJob, "table", "seeds", "figures")
    table, per_seed = read_csv(command.path("table")), read_csv(command.path("seeds"))
    save(resistance(table, per_seed, command.job.base), command.paths("figures"))
