"""Pre-train a language model from random weights in one run, and save the checkpoints that the study names."""

from elasticity.core.tables import read_rows
from elasticity.data.examples import batched, pretraining_sequences
from elasticity.data.schemas import EXAMPLES
from elasticity.models.loading import new_model, one_thread
from elasticity.models.shapes import pretrained_shape
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.training.jobs import PretrainJob
from elasticity.training.objectives import CodeLength
from elasticity.training.run import RunFiles, run

with Command(__doc__, PretrainJob, "texts", "tokenizer", "losses", "metrics", "state", output="checkpoints") as command:
    one_thread()
    shape = command.job.model
    tokenizer = load_tokenizer(command.path("tokenizer"))
    sequences = pretraining_sequences(shape, tokenizer, read_rows(command.path("texts"), EXAMPLES))
    model = new_model(shape, tokenizer)
    run(
        make_model=lambda: model,
        shape=pretrained_shape(shape, len(tokenizer)),
        tokenizer=tokenizer,
        batches=batched(sequences, shape.optimization.batch_size, tokenizer.pad_token_id),
        objective=CodeLength(),
        checkpoints={str(update): update for update in command.job.checkpoints},
        settings=shape.optimization,
        files=RunFiles.of(command, [command.path("texts"), command.path("tokenizer")]),
    )
