"""The tables of divergences from the base model: one row a seed and cell, and one row a cell."""

from elasticity.analysis.aggregation import divergence_seeds, rebound_table
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.tables import write_csv, write_table
from elasticity.core.path_patterns import unfold
from elasticity.core.tables import read_tables
from elasticity.evaluation.schemas import DIVERGENCES
from elasticity.runtime.command import Command

with Command(__doc__, ReboundTableJob, "divergences", "seeds", "html", output="table") as command:
    per_seed = divergence_seeds(read_tables(unfold(command.paths("divergences")), DIVERGENCES).to_pandas(), command.job)
    write_csv(per_seed, command.path("seeds"))
    write_table(rebound_table(per_seed, command.job, "kl"), command.path("table"), command.path("html"))
