"""Take the examples of one split."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.jobs import SplitJob
from elasticity.data.schemas import EXAMPLES
from elasticity.data.splits import take
from elasticity.runtime.command import Command

with Command(__doc__, SplitJob, "examples", output="split") as command:
    examples = read_rows(command.path("examples"), EXAMPLES)
    rows = take(examples, command.job.takes)
    write_table(command.path("split"), rows, EXAMPLES)
    print(f"{len(rows)} examples")
    split = command.job.takes[-1]
    if left_out := sum(not split.takes_prompt(row["prompt"]) for row in examples):
        print(f"{left_out} of all {len(examples)} have prompts of more than {split.longest_prompt} bytes: in no split")
