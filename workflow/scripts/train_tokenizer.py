"""Train a byte-level BPE tokenizer."""

from elasticity.core.tables import read_rows
from elasticity.data.schemas import EXAMPLES, text_of
from elasticity.models.jobs import TokenizerJob
from elasticity.models.tokenizer import train_tokenizer
from elasticity.runtime.command import Command

with Command(__doc__, TokenizerJob, "texts", output="tokenizer") as command:
    texts = [text_of(row) for row in read_rows(command.path("texts"), EXAMPLES)]
    tokenizer = train_tokenizer(texts, command.job.vocabulary)
    tokenizer.save_pretrained(command.path("tokenizer").parent)
    print(f"{len(tokenizer)} tokens")
