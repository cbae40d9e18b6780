"""Fine-tune a rung on texts, or on the answers of a slice; one run, a rung for each size."""

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.examples import answer_examples, batched, epochs, shuffled, text_examples
from elasticity.jobs import FineTuneJob
from elasticity.models import load_model, one_thread
from elasticity.records import SLICE_ANSWERS, TEXTS, read_rows
from elasticity.runs import RunFiles, run
from elasticity.tokenization import load_tokenizer

with errors_for_people():
    one_thread()
    command = Command(__doc__, FineTuneJob, "start", "examples", "rungs", "losses", "metrics", "state")
    job, settings = command.job, command.job.settings
    start = command.path("start") / job.start
    tokenizer = load_tokenizer(start)
    examples, identities = [], []
    for path in command.paths("examples"):
        if job.answers_of_slice is None:
            rows = read_rows(path, TEXTS)
            identity = [row["id"] for row in rows]
            made = text_examples([row["text"] for row in rows], tokenizer, settings.max_length)
        else:
            rows = [row for row in read_rows(path, SLICE_ANSWERS) if row["slice"] == job.answers_of_slice]
            identity = [row["prompt_id"] for row in rows]
            made = answer_examples(rows, tokenizer, settings.max_length)
        order = shuffled(identity, job.seed)
        examples += [made[i] for i in order]
        identities += [identity[i] for i in order]
    chosen = epochs(examples[: job.sizes[-1]], identities, settings.epochs, job.seed)
    batches = batched(chosen, settings.batch_size, tokenizer.pad_token_id)
    run(
        model=load_model(start),
        tokenizer=tokenizer,
        batches=batches,
        rungs={-(-size * settings.epochs // settings.batch_size): str(size) for size in job.sizes},
        settings=settings,
        files=RunFiles.of(command, "finetune.py", [start, *command.paths("examples")]),
    )
