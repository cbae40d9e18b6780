"""The tables of a rebound experiment: one row a seed and cell, and one row a cell."""

from elasticity.analysis.aggregation import base_scores, rebound_seeds, rebound_table
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.tables import read_csv, write_csv, write_table
from elasticity.analysis.text_statistics import beside_scores
from elasticity.core.tables import read_table
from elasticity.evaluation.schemas import SCORES
from elasticity.runtime.command import Command

with Command(
    __doc__, ReboundTableJob, "scores", "seeds", "html", output="table", optional=("text-statistics",)
) as command:
    scores = read_table(command.path("scores"), SCORES).to_pandas()
    per_seed = rebound_seeds(scores, command.job)
    write_csv(per_seed, command.path("seeds"))
    table = rebound_table(per_seed, command.job, "score")
    table["base_score"] = table["base"].map(base_scores(scores))
    for path in command.paths("text_statistics"):
        table = beside_scores(table, read_csv(path))
    write_table(table, command.path("table"), command.path("html"))
