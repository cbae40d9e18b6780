"""The tables of compression rates: one row a seed, cell and corpus, and one row a cell and corpus."""

from elasticity.analysis.compression import compression_seeds, compression_table
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.tables import write_csv, write_table
from elasticity.core.path_patterns import unfold
from elasticity.core.tables import read_tables
from elasticity.evaluation.schemas import COMPRESSION
from elasticity.runtime.command import Command

with Command(__doc__, ReboundTableJob, "rates", "base-rates", "seeds", "html", output="table") as command:
    per_seed = compression_seeds(read_tables(unfold(command.paths("rates")), COMPRESSION).to_pandas(), command.job)
    base_rates = read_tables(command.paths("base-rates"), COMPRESSION).to_pandas()
    write_csv(per_seed, command.path("seeds"))
    table = compression_table(per_seed, base_rates, command.job)
    write_table(table, command.path("table"), command.path("html"), digits=4)
