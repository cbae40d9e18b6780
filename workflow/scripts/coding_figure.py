"""The figure of packed texts."""

from elasticity.command import Command
from elasticity.compression_figures import coding
from elasticity.figures import save
from elasticity.jobs import ReboundFigureJob
from elasticity.judgement import read_csv
from elasticity.settings import opposite

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    experiment = command.job.experiment
    sides = experiment.first_side, opposite(experiment.first_side)
    save(coding(read_csv(command.path("table")), experiment.bases, sides), command.paths("figures"))
