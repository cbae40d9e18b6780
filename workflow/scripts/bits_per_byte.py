"""Measure code lengths of held-out texts of each corpus under the base models."""

from pathlib import Path

from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import training_examples
from elasticity.data.schemas import EXAMPLES, text_of
from elasticity.evaluation.jobs import BitsPerByteJob
from elasticity.evaluation.likelihood import code_lengths
from elasticity.evaluation.schemas import BITS_PER_BYTE
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import decode, load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.progress import progress

with Command(__doc__, BitsPerByteJob, "texts", output="lengths") as command:
    one_thread()
    rows = []
    for base, folder in progress(command.job.bases, "measure", "models", command.journal):
        model, tokenizer = load_for_measuring(Path(folder)), load_tokenizer(Path(folder))
        for path in command.paths("texts"):
            texts = [row | {"prompt": "", "response": text_of(row)} for row in read_rows(path, EXAMPLES)]
            examples = training_examples(texts, tokenizer, "plain", command.job.max_length)
            lengths = code_lengths(model, examples, tokenizer.pad_token_id)
            for text, example, nats in zip(texts, examples, lengths, strict=True):
                covered = decode(tokenizer, example.tokens[example.response_start :])
                rows.append(
                    {
                        "base": base,
                        "corpus": path.stem.removeprefix("held-out-"),
                        "id": text["id"],
                        "tokens": len(example.tokens) - example.response_start,
                        "utf8_bytes": len(covered.encode()),
                        "nats": nats,
                    }
                )
        del model  # free its memory before the next is loaded
    write_table(command.path("lengths"), rows, BITS_PER_BYTE)
    print(f"{len(rows)} code lengths")
