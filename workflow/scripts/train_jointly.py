"""Train a model from random weights on what pre-training, alignment and perturbation saw, all shuffled together."""

from elasticity.command import Command
from elasticity.examples import batched, pretraining_sequences
from elasticity.joint import amounts, mixed
from elasticity.journal import is_first_process
from elasticity.material import answers_once
from elasticity.models import new_model, one_thread
from elasticity.objectives import CodeLength
from elasticity.records import AMOUNTS, EXAMPLES, read_rows, write_table
from elasticity.runs import RunFiles, run
from elasticity.springs_jobs import JointJob
from elasticity.tokenization import load_tokenizer

FILES = ("texts", "first", "second", "tokenizer")

with Command(__doc__, JointJob, *FILES, "amounts", "losses", "metrics", "state", output="rungs") as command:
    one_thread()
    job, settings = command.job, command.job.model.optimization
    tokenizer = load_tokenizer(command.path("tokenizer"))
    texts, first, second = (read_rows(command.path(name), EXAMPLES) for name in FILES[:3])
    corpora = [
        pretraining_sequences(job.model, tokenizer, texts),
        answers_once(job.first, tokenizer, [first]),
        answers_once(job.second, tokenizer, [second]),
    ]
    if is_first_process():
        write_table(command.path("amounts"), [job.cell.row(job.base, job.rung) | amounts(corpora)], AMOUNTS)
    batches = batched(mixed(corpora, job.cell.seed), settings.batch_size, tokenizer.pad_token_id)
    model = new_model(job.model.model_copy(update={"seed": job.cell.seed}), tokenizer)
    run(
        make_model=lambda: model,
        tokenizer=tokenizer,
        batches=batches,
        objective=CodeLength(),
        rungs={len(batches): str(job.rung)},
        settings=settings,
        files=RunFiles.of(command, [command.path(name) for name in FILES]),
    )
