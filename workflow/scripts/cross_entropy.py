"""Cross-entropies: the answers of each target slice under the models tuned toward it, and under the slice itself."""

from elasticity.command import Command
from elasticity.crossentropy import code_lengths
from elasticity.examples import answer_examples
from elasticity.jobs import CrossEntropyJob
from elasticity.models import load_for_measuring, one_thread
from elasticity.progress import progress
from elasticity.records import CROSS_ENTROPIES, SLICE_ANSWERS, read_rows, write_table
from elasticity.tokenization import check_same_vocabulary, load_tokenizer

with Command(__doc__, CrossEntropyJob, "slices", "tuned", "questions", output="cross-entropies") as command:
    one_thread()
    job = command.job
    folders = [command.path("slices") / str(rung) for rung in job.slices]
    tokenizer = load_tokenizer(folders[0])
    pad = tokenizer.pad_token_id
    questions = read_rows(command.path("questions"), SLICE_ANSWERS)
    answers = {target: [row for row in questions if row["slice"] == target] for target in (1, 2, 3)}
    examples = {target: answer_examples(rows, tokenizer, job.max_length) for target, rows in answers.items()}
    own = {
        target: code_lengths(load_for_measuring(folder), examples[target], pad)
        for target, folder in enumerate(folders, start=1)
    }
    rows = []
    paths = list(zip(job.paths, command.paths("tuned"), strict=True))
    for (start, target), tuned in progress(paths, "measure", "models", command.journal):
        check_same_vocabulary(folders[0], tuned / job.tuned_rung)
        lengths = code_lengths(load_for_measuring(tuned / job.tuned_rung), examples[target], pad)
        for i, question in enumerate(answers[target]):
            rows.append(
                {
                    "start": start,
                    "target": target,
                    "prompt_id": question["prompt_id"],
                    "tokens": len(examples[target][i].tokens) - examples[target][i].answer_start,
                    "tuned_nats": lengths[i],
                    "target_nats": own[target][i],
                }
            )
    write_table(command.path("cross_entropies"), rows, CROSS_ENTROPIES)
    print(f"{len(rows)} code lengths of tuned models")
