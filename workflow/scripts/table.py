"""Make a table: ``table.py NAME JOB --option PATH ...``; the tables are modules of ``elasticity.analysis.tables``."""

import sys

from elasticity.analysis.table import find_table
from elasticity.core.errors import errors_for_people
from elasticity.runtime.command import Command

with errors_for_people():
    table = find_table(sys.argv[1] if len(sys.argv) > 1 else "")

with Command(
    table.make.__doc__, table.job, *table.files, output="table", optional=table.optional, arguments=sys.argv[2:]
) as command:
    table.make(command)
