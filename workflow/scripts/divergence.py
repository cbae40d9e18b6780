"""Measure the KL divergence of every checkpoint of a run from its base model, on the checkpoint's own responses."""

import sys

from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import response_examples
from elasticity.evaluation.jobs import DivergenceJob
from elasticity.evaluation.likelihood import divergences
from elasticity.evaluation.schemas import DIVERGENCES, RESPONSES
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import check_same_vocabulary, load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share

with Command(__doc__, DivergenceJob, "checkpoints", "base", "responses", output="divergences") as command:
    one_thread()
    job = command.job
    base_folder = command.path("base") / str(job.base_checkpoint)
    base, tokenizer = load_for_measuring(base_folder), load_tokenizer(base_folder)
    responses = read_rows(command.path("responses"), RESPONSES)
    rows = []
    for checkpoint in progress(job.checkpoints, "measure", "checkpoints", command.journal):
        folder = command.path("checkpoints") / str(checkpoint)
        check_same_vocabulary(base_folder, folder)
        model = load_for_measuring(folder)
        own = share([row for row in responses if row["inverse_size"] == checkpoint])
        examples = response_examples(own, tokenizer, sys.maxsize)
        nats = divergences(model, base, examples, tokenizer.pad_token_id)
        del model  # free its memory before the next is loaded
        cell = job.cell.row(job.base, checkpoint)
        rows += collect(
            [
                cell
                | {
                    "prompt_id": row["prompt_id"],
                    "tokens": len(example.tokens) - example.response_start,
                    "nats": total,
                }
                for row, example, total in zip(own, examples, nats, strict=True)
            ]
        )
    if is_first_process():
        write_table(command.path("divergences"), rows, DIVERGENCES)
    print(f"{len(rows)} divergences")
