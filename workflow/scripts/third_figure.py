"""The figure of a third stage."""

from elasticity.command import Command
from elasticity.figures import save
from elasticity.judgement import read_csv
from elasticity.judging_jobs import ReboundFigureJob
from elasticity.third_figures import way_back

with Command(__doc__, ReboundFigureJob, "table", output="figures") as command:
    experiment = command.job.experiment
    figure = way_back(read_csv(command.path("table")), experiment.bases, experiment.first_side, command.job.score)
    save(figure, command.paths("figures"))
