"""The table of base models: bits per byte of each held-out corpus."""

from elasticity.analysis.aggregation import bits_per_byte_table
from elasticity.analysis.tables import write_table
from elasticity.core.tables import read_table
from elasticity.evaluation.jobs import BitsPerByteJob
from elasticity.evaluation.schemas import BITS_PER_BYTE
from elasticity.runtime.command import Command

with Command(__doc__, BitsPerByteJob, "lengths", "html", output="table") as command:
    table = bits_per_byte_table(read_table(command.path("lengths"), BITS_PER_BYTE).to_pandas())
    write_table(table, command.path("table"), command.path("html"))
