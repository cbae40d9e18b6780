"""The tables of divergences from the base model: one row a seed and cell, and one row a cell."""

from elasticity.command import Command
from elasticity.judgement import divergence_seeds, rebound_table, write_csv, write_table
from elasticity.judging_jobs import ReboundJudgeJob
from elasticity.paths import unfold
from elasticity.records import DIVERGENCES, read_tables

with Command(__doc__, ReboundJudgeJob, "divergences", "seeds", "html", output="table") as command:
    per_seed = divergence_seeds(read_tables(unfold(command.paths("divergences")), DIVERGENCES).to_pandas(), command.job)
    write_csv(per_seed, command.path("seeds"))
    write_table(rebound_table(per_seed, command.job, "kl"), command.path("table"), command.path("html"))
