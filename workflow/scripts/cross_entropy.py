"""Measure code lengths and KL on the responses of each target slice, under the slice and the models tuned on them."""

from itertools import groupby

from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import response_examples
from elasticity.evaluation.jobs import CrossEntropyJob
from elasticity.evaluation.likelihood import code_lengths, divergences
from elasticity.evaluation.schemas import CHOSEN, CROSS_ENTROPIES, SLICE_RESPONSES, chosen_prompts
from elasticity.models.loading import load_for_measuring, one_thread
from elasticity.models.tokenizer import check_same_vocabulary, load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.progress import progress

FILES = ("slices", "tuned", "questions")

with Command(__doc__, CrossEntropyJob, *FILES, output="cross-entropies", optional=("chosen",)) as command:
    one_thread()
    job = command.job
    folders = [command.path("slices") / str(checkpoint) for checkpoint in job.slices]
    tokenizer = load_tokenizer(folders[0])
    pad = tokenizer.pad_token_id
    questions = read_rows(command.path("questions"), SLICE_RESPONSES)
    chosen = chosen_prompts(row for path in command.paths("chosen") for row in read_rows(path, CHOSEN))
    rows = []
    paths = zip(job.paths, command.paths("tuned"), strict=True)
    by_target = sorted(paths, key=lambda path: path[0][1])  # each slice is loaded once
    for target, group in groupby(progress(by_target, "measure", "models", command.journal), lambda path: path[0][1]):
        slice_model = load_for_measuring(folders[target - 1])
        responses = [row for row in questions if row["slice"] == target]
        examples = response_examples(responses, tokenizer, job.max_length)
        own = code_lengths(slice_model, examples, pad)
        for path, folder in group:
            check_same_vocabulary(folders[0], folder / job.tuned_checkpoint)
            tuned = load_for_measuring(folder / job.tuned_checkpoint)
            lengths = code_lengths(tuned, examples, pad)
            kls = divergences(slice_model, tuned, examples, pad)
            del tuned  # free its memory before the next is loaded
            for i, response in enumerate(responses):
                if chosen and response["prompt_id"] not in chosen["questions", path]:
                    continue
                rows.append(
                    {
                        "start": path[0],
                        "target": target,
                        "prompt_id": response["prompt_id"],
                        "tokens": len(examples[i].tokens) - examples[i].response_start,
                        "tuned_nats": lengths[i],
                        "target_nats": own[i],
                        "kl_nats": kls[i],
                    }
                )
        del slice_model
    write_table(command.path("cross_entropies"), rows, CROSS_ENTROPIES)
    print(f"{len(rows)} code lengths of tuned models")
