"""Read a source, clean its examples, drop duplicates."""

import json

from elasticity.cleaning import clean
from elasticity.command import Command
from elasticity.jobs import FetchJob
from elasticity.records import EXAMPLES, write_table
from elasticity.sources import examples

with Command(__doc__, FetchJob, "counts", output="examples") as command:
    rows, counts = clean(examples(command.job.source))
    write_table(command.path("examples"), rows, EXAMPLES)
    command.path("counts").write_text(json.dumps(counts, indent=2) + "\n")
    print(counts)
