"""Compress held-out texts of each corpus with a base model and an arithmetic coder, and restore them."""

import math

from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.evaluation.arithmetic_coding import pack, unpack
from elasticity.evaluation.compression import check_window, rates, read_texts
from elasticity.evaluation.corpora import held_out_texts
from elasticity.evaluation.jobs import ArithmeticCodingJob
from elasticity.evaluation.schemas import ARITHMETIC_CODING
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share

with Command(__doc__, ArithmeticCodingJob, "base", "texts", output="codes") as command:
    one_thread()
    job = command.job
    folder = command.path("base") / str(job.base_checkpoint)
    model, tokenizer = load_for_measuring(folder), load_tokenizer(folder)
    check_window(job.reading, model, folder)
    chosen = []
    for corpus in zip(job.corpora, command.paths("texts"), strict=True):
        chosen += held_out_texts([corpus], job.reading)[: job.texts]
    texts = share(chosen)
    found = rates(
        model, model, read_texts([text.text for text in texts], tokenizer, job.reading), tokenizer.pad_token_id
    )
    rows = []
    for text, sums in progress(list(zip(texts, found, strict=True)), "pack", "texts", command.journal):
        code, count = pack(text.text, model, tokenizer, job.reading)
        if unpack(code, count, model, tokenizer, job.reading) != text.text:
            raise UserError(
                f"text {text.id} of corpus {text.corpus} was packed into {len(code)} bytes, but {job.base} does not "
                "restore it from them: its tokenizer may not keep every character. Set compression.coded to 0."
            )
        rows.append(
            {
                "base": job.base,
                "corpus": text.corpus,
                "id": text.id,
                "tokens": count,
                "utf8_bytes": text.utf8_bytes,
                "model_bits": sums["nats"] / math.log(2),
                "coded_bits": 8 * len(code),
            }
        )
    rows = collect(rows)
    if is_first_process():
        write_table(command.path("codes"), rows, ARITHMETIC_CODING)
    print(f"{len(rows)} texts packed and restored")
