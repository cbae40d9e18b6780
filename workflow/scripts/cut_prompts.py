"""Cut prompts: the first few tokens of each text of a pool."""

from elasticity.command import Command
from elasticity.jobs import PromptJob
from elasticity.prompts import cut_prompts
from elasticity.records import EXAMPLES, PROMPTS, read_rows, write_table
from elasticity.tokenization import load_tokenizer

with Command(__doc__, PromptJob, "texts", "tokenizer", output="prompts") as command:
    texts = read_rows(command.path("texts"), EXAMPLES)
    rows = cut_prompts(texts, load_tokenizer(command.path("tokenizer")), command.job.prompts)
    write_table(command.path("prompts"), rows, PROMPTS)
    print(f"{len(rows)} prompts")
