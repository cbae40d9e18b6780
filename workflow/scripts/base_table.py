"""The table of base models: bits per byte of each held-out corpus."""

from elasticity.command import Command
from elasticity.jobs import HeldOutJob
from elasticity.judgement import held_out_table, write_table
from elasticity.records import HELD_OUT, read_table

with Command(__doc__, HeldOutJob, "lengths", "html", output="table") as command:
    table = held_out_table(read_table(command.path("lengths"), HELD_OUT).to_pandas())
    write_table(table, command.path("table"), command.path("html"))
