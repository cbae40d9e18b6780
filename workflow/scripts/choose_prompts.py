"""Choose the prompts on which the entropies of two slices agree: of their twin data sets, and of their questions."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import response_examples
from elasticity.evaluation.equal_entropy import choices
from elasticity.evaluation.jobs import ChoosingJob
from elasticity.evaluation.likelihood import code_lengths
from elasticity.evaluation.schemas import CHOSEN, SLICE_RESPONSES
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.progress import progress

with Command(__doc__, ChoosingJob, "slices", "twins", "questions", output="chosen") as command:
    one_thread()
    job = command.job
    responses = {name: read_rows(command.path(name), SLICE_RESPONSES) for name in ("twins", "questions")}
    measured: dict[tuple[str, int], dict[str, tuple[int, float]]] = {}
    for number, checkpoint in enumerate(progress(job.slices, "measure", "slices", command.journal), start=1):
        folder = command.path("slices") / str(checkpoint)
        model, tokenizer = load_for_measuring(folder), load_tokenizer(folder)
        for name, rows in responses.items():
            own = [row for row in rows if row["slice"] == number]
            examples = response_examples(own, tokenizer, job.max_length)
            lengths = code_lengths(model, examples, tokenizer.pad_token_id)
            measured[name, number] = {
                row["prompt_id"]: (len(example.tokens) - example.response_start, nats)
                for row, example, nats in zip(own, examples, lengths, strict=True)
            }
        del model  # free its memory before the next is loaded
    chosen = [
        row
        for name in responses
        for first, second in job.pairs
        for row in choices(name, (first, second), measured[name, first], measured[name, second])
    ]
    write_table(command.path("chosen"), chosen, CHOSEN)
    print(f"{sum(row['chosen'] for row in chosen)} of {len(chosen)} pairs of responses")
