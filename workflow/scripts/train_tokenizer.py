"""Train a byte-level BPE tokenizer."""

from elasticity.command import Command
from elasticity.jobs import TokenizerJob
from elasticity.records import EXAMPLES, read_rows, text_of
from elasticity.tokenization import train_tokenizer

with Command(__doc__, TokenizerJob, "texts", output="tokenizer") as command:
    texts = [text_of(row) for row in read_rows(command.path("texts"), EXAMPLES)]
    tokenizer = train_tokenizer(texts, command.job.vocabulary)
    tokenizer.save_pretrained(command.path("tokenizer").parent)
    print(f"{len(tokenizer)} tokens")
