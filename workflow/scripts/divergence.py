"""Measure how far every rung of a ladder is from its base model, on the rung's own answers."""

import sys

from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import answer_examples
from elasticity.evaluation.jobs import DivergenceJob
from elasticity.evaluation.likelihood import divergences
from elasticity.evaluation.schemas import ANSWERS, DIVERGENCES
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import check_same_vocabulary, load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share

with Command(__doc__, DivergenceJob, "rungs", "base", "answers", output="divergences") as command:
    one_thread()
    job = command.job
    base_folder = command.path("base") / str(job.base_rung)
    base, tokenizer = load_for_measuring(base_folder), load_tokenizer(base_folder)
    answers = read_rows(command.path("answers"), ANSWERS)
    rows = []
    for rung in progress(job.rungs, "measure", "rungs", command.journal):
        folder = command.path("rungs") / str(rung)
        check_same_vocabulary(base_folder, folder)
        model = load_for_measuring(folder)
        own = share([row for row in answers if row["second_size"] == rung])
        examples = answer_examples(own, tokenizer, sys.maxsize)
        nats = divergences(model, base, examples, tokenizer.pad_token_id)
        del model  # or it is in memory while the next is loaded
        cell = job.cell.row(job.base, rung)
        rows += collect(
            [
                cell
                | {
                    "prompt_id": row["prompt_id"],
                    "tokens": len(example.tokens) - example.answer_start,
                    "nats": total,
                }
                for row, example, total in zip(own, examples, nats, strict=True)
            ]
        )
    if is_first_process():
        write_table(command.path("divergences"), rows, DIVERGENCES)
    print(f"{len(rows)} divergences")
