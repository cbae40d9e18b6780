"""The tables of text statistics: one row a seed and cell, and one row a cell with the base model's responses beside it."""

from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.tables import write_csv, write_table
from elasticity.analysis.text_statistics import text_statistics_seeds, text_statistics_table
from elasticity.core.tables import read_tables
from elasticity.evaluation.schemas import TEXT_STATISTICS
from elasticity.runtime.command import Command

with Command(__doc__, ReboundTableJob, "text-statistics", "seeds", "html", output="table") as command:
    responses = read_tables(command.paths("text_statistics"), TEXT_STATISTICS).to_pandas()
    per_seed = text_statistics_seeds(responses, command.job)
    write_csv(per_seed, command.path("seeds"))
    write_table(text_statistics_table(per_seed, responses, command.job), command.path("table"), command.path("html"))
