"""The figure of a resistance experiment for one base model."""

from elasticity.command import Command
from elasticity.figures import resistance, save
from elasticity.judgement import read_csv
from elasticity.judging_jobs import ResistanceFigureJob

with Command(__doc__, ResistanceFigureJob, "table", "seeds", output="figures") as command:
    table, per_seed = read_csv(command.path("table")), read_csv(command.path("seeds"))
    save(resistance(table, per_seed, command.job.base), command.paths("figures"))
