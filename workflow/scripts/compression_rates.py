"""Measure compression rates of every checkpoint of a run, and its divergence from the base model, on held-out texts."""

from elasticity.core.tables import write_table
from elasticity.evaluation.compression import check_window, rates, read_texts, targets
from elasticity.evaluation.corpora import held_out_texts
from elasticity.evaluation.jobs import CompressionJob
from elasticity.evaluation.schemas import COMPRESSION
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import check_same_vocabulary, load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share

with Command(__doc__, CompressionJob, "checkpoints", "base", "texts", output="rates") as command:
    one_thread()
    job = command.job
    base_folder = command.path("base") / str(job.base_checkpoint)
    base, tokenizer = load_for_measuring(base_folder), load_tokenizer(base_folder)
    check_window(job.reading, base, base_folder)
    texts = share(held_out_texts(zip(job.corpora, command.paths("texts"), strict=True), job.reading))
    windows = read_texts([text.text for text in texts], tokenizer, job.reading)
    rows = []
    for checkpoint in progress(job.checkpoints, "measure", "checkpoints", command.journal):
        folder = command.path("checkpoints") / str(checkpoint)
        check_same_vocabulary(base_folder, folder)
        model = load_for_measuring(folder) if job.cell else base
        found = rates(model, base, windows, tokenizer.pad_token_id)
        del model  # free its memory before the next is loaded
        rows += collect(
            [
                job.row(checkpoint)
                | {"corpus": text.corpus, "id": text.id, "tokens": targets(read), "utf8_bytes": text.utf8_bytes}
                | sums
                for text, read, sums in zip(texts, windows, found, strict=True)
            ]
        )
    if is_first_process():
        write_table(command.path("rates"), rows, COMPRESSION)
    print(f"{len(rows)} texts measured")
