"""The table of base models: bits per byte of each held-out corpus."""

from elasticity.analysis.aggregation import held_out_table
from elasticity.analysis.tables import write_table
from elasticity.core.tables import read_table
from elasticity.evaluation.jobs import HeldOutJob
from elasticity.evaluation.schemas import HELD_OUT
from elasticity.runtime.command import Command

with Command(__doc__, HeldOutJob, "lengths", "html", output="table") as command:
    table = held_out_table(read_table(command.path("lengths"), HELD_OUT).to_pandas())
    write_table(table, command.path("table"), command.path("html"))
