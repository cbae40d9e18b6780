"""Take the prompts of the examples of a pool."""

from elasticity.command import Command
from elasticity.jobs import QuestionJob
from elasticity.prompts import questions
from elasticity.records import EXAMPLES, PROMPTS, read_rows, write_table

with Command(__doc__, QuestionJob, "examples", output="prompts") as command:
    rows = questions(read_rows(command.path("examples"), EXAMPLES))
    write_table(command.path("prompts"), rows, PROMPTS)
    print(f"{len(rows)} prompts")
