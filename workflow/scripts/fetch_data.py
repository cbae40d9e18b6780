"""Read a source, clean its examples, drop duplicates."""

import json

from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.data.cleaning import clean
from elasticity.data.jobs import FetchJob
from elasticity.data.schemas import EXAMPLES
from elasticity.data.sources import examples
from elasticity.runtime.command import Command

with Command(__doc__, FetchJob, "counts", output="examples") as command:
    rows, counts = clean(examples(command.job.source))
    if not rows:
        found = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise UserError(
            f"no example of the source is left ({found}): look at the labels and fields that the study names, and at "
            "the data"
        )
    write_table(command.path("examples"), rows, EXAMPLES)
    command.path("counts").write_text(json.dumps(counts, indent=2) + "\n")
    print(counts)
