"""Take the examples of one split."""

from elasticity.core.tables import rows_in_batches, write_table
from elasticity.data.jobs import SplitJob
from elasticity.data.schemas import EXAMPLES
from elasticity.data.splits import outlined, take
from elasticity.runtime.command import Command

with Command(__doc__, SplitJob, "examples", output="split") as command:
    examples = command.path("examples")
    outlines = outlined(rows_in_batches(examples, EXAMPLES))
    places = frozenset(take(outlines, command.job.takes))
    rows = (row for place, row in enumerate(rows_in_batches(examples, EXAMPLES)) if place in places)
    write_table(command.path("split"), rows, EXAMPLES)
    print(f"{len(places)} examples")
    split = command.job.takes[-1]
    if left_out := sum(not split.takes_prompt(outline.prompt_bytes) for outline in outlines):
        print(f"{left_out} of all {len(outlines)} have prompts of more than {split.longest_prompt} bytes: in no split")
