"""The tables of usefulness: one row a seed and cell, and one row a cell with the base model's answers beside it."""

from elasticity.analysis.jobs import ReboundJudgeJob
from elasticity.analysis.tables import write_csv, write_table
from elasticity.analysis.usefulness import usefulness_seeds, usefulness_table
from elasticity.core.tables import read_tables
from elasticity.evaluation.schemas import USEFULNESS
from elasticity.runtime.command import Command

with Command(__doc__, ReboundJudgeJob, "usefulness", "seeds", "html", output="table") as command:
    answers = read_tables(command.paths("usefulness"), USEFULNESS).to_pandas()
    per_seed = usefulness_seeds(answers, command.job)
    write_csv(per_seed, command.path("seeds"))
    write_table(usefulness_table(per_seed, answers, command.job), command.path("table"), command.path("html"))
