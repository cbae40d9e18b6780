"""Take the prompts of the examples of a split."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.jobs import QuestionJob
from elasticity.data.prompts import questions
from elasticity.data.schemas import EXAMPLES, PROMPTS
from elasticity.runtime.command import Command

with Command(__doc__, QuestionJob, "examples", output="prompts") as command:
    rows = questions(read_rows(command.path("examples"), EXAMPLES))
    write_table(command.path("prompts"), rows, PROMPTS)
    print(f"{len(rows)} prompts")
