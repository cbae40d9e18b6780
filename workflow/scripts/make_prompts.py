"""Make prompts: the first few tokens of each text of a split, or the prompts of its examples."""

from elasticity.config.data import Beginnings
from elasticity.core.tables import read_rows, write_table
from elasticity.data.jobs import PromptJob
from elasticity.data.prompts import cut_prompts, questions
from elasticity.data.schemas import EXAMPLES, PROMPTS
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command

with Command(__doc__, PromptJob, "examples", output="prompts", optional=("tokenizer",)) as command:
    examples, prompts = read_rows(command.path("examples"), EXAMPLES), command.job.prompts
    if isinstance(prompts, Beginnings):
        rows = cut_prompts(examples, load_tokenizer(command.path("tokenizer")), prompts)
    else:
        rows = questions(examples)
    write_table(command.path("prompts"), rows, PROMPTS)
    print(f"{len(rows)} prompts")
