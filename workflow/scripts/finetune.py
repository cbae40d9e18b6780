"""Fine-tune a rung on texts, or on the answers of a slice; one run, a rung for each size."""

from dataclasses import replace

from elasticity.command import Command
from elasticity.errors import UserError
from elasticity.examples import answer_examples, batched, epochs, shuffled, text_examples
from elasticity.jobs import FineTuneJob
from elasticity.models import load_model, one_thread
from elasticity.records import SLICE_ANSWERS, TEXTS, read_rows
from elasticity.runs import RunFiles, run
from elasticity.tokenization import load_tokenizer

with Command(__doc__, FineTuneJob, "start", "examples", "losses", "metrics", "state", output="rungs") as command:
    one_thread()
    job, settings = command.job, command.job.settings
    start = command.path("start") / job.start
    tokenizer = load_tokenizer(start)
    schema, identity = (TEXTS, "id") if job.answers_of_slice is None else (SLICE_ANSWERS, "prompt_id")
    rows = []
    for path in command.paths("examples"):  # each part in an order of its own: the slices' parts follow one another
        part = [row for row in read_rows(path, schema) if row.get("slice") == job.answers_of_slice]
        rows += [part[i] for i in shuffled([row[identity] for row in part], job.seed)]
    if len(rows) < job.sizes[-1]:
        raise UserError(
            f"{job.sizes[-1]} examples are needed, but {command.paths('examples')[0].parent} holds {len(rows)}"
        )
    rows = rows[: job.sizes[-1]]
    if job.answers_of_slice is None:
        examples = text_examples([row["text"] for row in rows], tokenizer, settings.max_length)
    else:
        examples = answer_examples(rows, tokenizer, settings.max_length)
    examples = [replace(example, identity=row[identity]) for example, row in zip(examples, rows, strict=True)]
    repeated = epochs(examples, [row[identity] for row in rows], settings.epochs, job.seed)
    run(
        make_model=lambda: load_model(start),
        tokenizer=tokenizer,
        batches=batched(repeated, settings.batch_size, tokenizer.pad_token_id),
        rungs={settings.updates(size): str(size) for size in job.sizes},
        settings=settings,
        files=RunFiles.of(command, "finetune.py", [start, *command.paths("examples")]),
    )
