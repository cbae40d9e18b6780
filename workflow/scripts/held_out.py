"""Code lengths of held-out texts of each corpus under the base models."""

from pathlib import Path

from elasticity.command import Command
from elasticity.crossentropy import code_lengths
from elasticity.errors import errors_for_people
from elasticity.examples import text_examples
from elasticity.jobs import HeldOutJob
from elasticity.models import load_model, one_thread
from elasticity.records import HELD_OUT, TEXTS, read_rows, write_table
from elasticity.tokenization import decode, load_tokenizer

with errors_for_people():
    one_thread()
    command = Command(__doc__, HeldOutJob, "texts", "lengths")
    rows = []
    for base, folder in command.job.bases:
        model, tokenizer = load_model(Path(folder)), load_tokenizer(Path(folder))
        for path in command.paths("texts"):
            texts = read_rows(path, TEXTS)
            examples = text_examples([row["text"] for row in texts], tokenizer, command.job.max_length)
            lengths = code_lengths(model, examples, tokenizer.pad_token_id)
            for text, example, nats in zip(texts, examples, lengths, strict=True):
                covered = decode(tokenizer, example.tokens)
                rows.append(
                    {
                        "base": base,
                        "corpus": path.stem.removeprefix("held-out-"),
                        "id": text["id"],
                        "tokens": len(example.tokens) - 1,
                        "utf8_bytes": len(covered.encode()),
                        "nats": nats,
                    }
                )
    write_table(command.path("lengths"), rows, HELD_OUT)
    print(f"{len(rows)} code lengths")
