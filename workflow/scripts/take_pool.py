"""Take the texts of one pool."""

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.jobs import PoolJob
from elasticity.pools import take
from elasticity.records import TEXTS, read_rows, write_table

with errors_for_people():
    command = Command(__doc__, PoolJob, "texts", "pool")
    rows = take(read_rows(command.path("texts"), TEXTS), command.job.stretches)
    write_table(command.path("pool"), rows, TEXTS)
    print(f"{len(rows)} texts")
