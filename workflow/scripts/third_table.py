"""The tables of a third stage: scores on the way back, and the examples that it takes to regain half."""

from elasticity.analysis.jobs import ThirdJudgeJob
from elasticity.analysis.tables import write_csv, write_table
from elasticity.analysis.third_stage import return_table, returns, third_seeds, third_table
from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import SCORES
from elasticity.runtime.command import Command

FILES = ("scores", "seeds", "html", "return-seeds", "returns", "return-html")

with Command(__doc__, ThirdJudgeJob, *FILES, output="table") as command:
    per_seed = third_seeds(read_table(command.path("scores"), SCORES).to_pandas(), command.job)
    write_csv(per_seed, command.path("seeds"))
    write_table(third_table(per_seed, command.job), command.path("table"), command.path("html"))
    measures = returns(per_seed, command.job)
    write_csv(measures, command.path("return-seeds"))
    write_table(return_table(measures), command.path("returns"), command.path("return-html"))
