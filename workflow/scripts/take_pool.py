"""Take the texts of one pool."""

from elasticity.command import Command
from elasticity.jobs import PoolJob
from elasticity.pools import take
from elasticity.records import TEXTS, read_rows, write_table

with Command(__doc__, PoolJob, "texts", output="pool") as command:
    rows = take(read_rows(command.path("texts"), TEXTS), command.job.stretches)
    write_table(command.path("pool"), rows, TEXTS)
    print(f"{len(rows)} texts")
