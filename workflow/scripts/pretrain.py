"""Pre-train a language model from random weights; its rungs are checkpoints of one run."""

from elasticity.command import Command
from elasticity.errors import UserError
from elasticity.examples import batched, blocks, shuffled
from elasticity.jobs import PretrainJob
from elasticity.models import new_model, one_thread
from elasticity.objectives import CodeLength
from elasticity.records import EXAMPLES, read_rows, text_of
from elasticity.runs import RunFiles, run
from elasticity.tokenization import load_tokenizer

with Command(__doc__, PretrainJob, "texts", "tokenizer", "losses", "metrics", "state", output="rungs") as command:
    one_thread()
    shape = command.job.model
    tokenizer = load_tokenizer(command.path("tokenizer"))
    texts = read_rows(command.path("texts"), EXAMPLES)
    order = shuffled([row["id"] for row in texts], shape.seed)
    examples = blocks([text_of(texts[i]) for i in order], tokenizer, shape.context)
    wanted = shape.updates * shape.optimization.batch_size
    if len(examples) < wanted:
        raise UserError(
            f"pre-training takes {wanted} sequences of {shape.context} tokens, but the pool holds {len(examples)}: "
            "enlarge pools.pretraining, or lower updates or batch_size"
        )
    model = new_model(shape, tokenizer)
    run(
        make_model=lambda: model,
        tokenizer=tokenizer,
        batches=batched(examples[:wanted], shape.optimization.batch_size, tokenizer.pad_token_id),
        objective=CodeLength(),
        rungs={update: str(update) for update in command.job.rungs},
        settings=shape.optimization,
        files=RunFiles.of(command, "pretrain.py", [command.path("texts"), command.path("tokenizer")]),
    )
