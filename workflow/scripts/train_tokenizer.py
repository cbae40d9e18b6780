"""Train a byte-level BPE tokenizer."""

from elasticity.command import Command
from elasticity.jobs import TokenizerJob
from elasticity.records import TEXTS, read_rows
from elasticity.tokenization import train_tokenizer

with Command(__doc__, TokenizerJob, "texts", output="tokenizer") as command:
    texts = [row["text"] for row in read_rows(command.path("texts"), TEXTS)]
    tokenizer = train_tokenizer(texts, command.job.vocabulary)
    tokenizer.save_pretrained(command.path("tokenizer").parent)
    print(f"{len(tokenizer)} tokens")
