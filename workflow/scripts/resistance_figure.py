"""The figure of a resistance experiment for one base model."""

from elasticity.analysis.jobs import ResistanceFigureJob
from elasticity.analysis.tables import read_csv
from elasticity.plots.resistance import resistance
from elasticity.plots.style import save
from elasticity.runtime.command import Command

with Command(__doc__, ResistanceFigureJob, "table", "seeds", output="figures") as command:
    table, per_seed = read_csv(command.path("table")), read_csv(command.path("seeds"))
    save(resistance(table, per_seed, command.job.base), command.paths("figures"))
