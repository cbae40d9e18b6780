"""Cut prompts: the first few tokens of each text of a split."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.jobs import PromptJob
from elasticity.data.prompts import cut_prompts
from elasticity.data.schemas import EXAMPLES, PROMPTS
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command

with Command(__doc__, PromptJob, "texts", "tokenizer", output="prompts") as command:
    texts = read_rows(command.path("texts"), EXAMPLES)
    rows = cut_prompts(texts, load_tokenizer(command.path("tokenizer")), command.job.prompts)
    write_table(command.path("prompts"), rows, PROMPTS)
    print(f"{len(rows)} prompts")
