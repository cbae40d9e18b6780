"""Read a source, clean its texts, drop duplicates."""

import json

from elasticity.command import Command
from elasticity.jobs import FetchJob
from elasticity.records import TEXTS, write_table
from elasticity.sources import clean, labelled_texts

with Command(__doc__, FetchJob, "counts", output="texts") as command:
    rows, counts = clean(labelled_texts(command.job.source))
    write_table(command.path("texts"), rows, TEXTS)
    command.path("counts").write_text(json.dumps(counts, indent=2) + "\n")
    print(counts)
