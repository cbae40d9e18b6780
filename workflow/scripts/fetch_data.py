"""Read a source, clean its examples, drop duplicates."""

import json

from elasticity.data.fetching import fetch
from elasticity.data.jobs import FetchJob
from elasticity.runtime.command import Command

with Command(__doc__, FetchJob, "counts", output="examples") as command:
    counts = json.dumps(fetch(command.job, command.path("examples")), indent=2, ensure_ascii=False)
    command.path("counts").write_text(counts + "\n", encoding="utf-8")
    print(counts)
