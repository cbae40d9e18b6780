"""The figure of a resistance experiment for one base model."""

import pandas as pd

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.figures import resistance, save
from elasticity.jobs import ResistanceFigureJob

with errors_for_people():
    command = Command(__doc__, ResistanceFigureJob, "table", "seeds", "figures")
    table, per_seed = pd.read_csv(command.path("table")), pd.read_csv(command.path("seeds"))
    save(resistance(table, per_seed, command.job.base), command.paths("figures"))
