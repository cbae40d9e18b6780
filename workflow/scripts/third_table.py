"""The tables of a realignment stage: scores on the way back, and the examples that it takes to regain half."""

from elasticity.analysis.jobs import RealignmentTableJob
from elasticity.analysis.realignment import realignment_seeds, realignment_table, return_table, returns
from elasticity.analysis.tables import write_csv, write_table
from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import SCORES
from elasticity.runtime.command import Command

FILES = ("scores", "seeds", "html", "return-seeds", "returns", "return-html")

with Command(__doc__, RealignmentTableJob, *FILES, output="table") as command:
    per_seed = realignment_seeds(read_table(command.path("scores"), SCORES).to_pandas(), command.job)
    write_csv(per_seed, command.path("seeds"))
    write_table(realignment_table(per_seed, command.job), command.path("table"), command.path("html"))
    measures = returns(per_seed, command.job)
    write_csv(measures, command.path("return-seeds"))
    write_table(return_table(measures), command.path("returns"), command.path("return-html"))
