"""Pre-train a language model from random weights; its rungs are checkpoints of one run."""

from elasticity.command import Command
from elasticity.examples import batched, pretraining_sequences
from elasticity.jobs import PretrainJob
from elasticity.models import new_model, one_thread
from elasticity.objectives import CodeLength
from elasticity.records import EXAMPLES, read_rows
from elasticity.runs import RunFiles, run
from elasticity.tokenization import load_tokenizer

with Command(__doc__, PretrainJob, "texts", "tokenizer", "losses", "metrics", "state", output="rungs") as command:
    one_thread()
    shape = command.job.model
    tokenizer = load_tokenizer(command.path("tokenizer"))
    sequences = pretraining_sequences(shape, tokenizer, read_rows(command.path("texts"), EXAMPLES))
    model = new_model(shape, tokenizer)
    run(
        make_model=lambda: model,
        tokenizer=tokenizer,
        batches=batched(sequences, shape.optimization.batch_size, tokenizer.pad_token_id),
        objective=CodeLength(),
        rungs={update: str(update) for update in command.job.rungs},
        settings=shape.optimization,
        files=RunFiles.of(command, [command.path("texts"), command.path("tokenizer")]),
    )
