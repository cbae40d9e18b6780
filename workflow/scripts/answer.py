"""Answer the prompts with every rung of a ladder."""

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.generation import answer
from elasticity.jobs import AnswerJob
from elasticity.models import load_model, one_thread
from elasticity.progress import progress
from elasticity.records import ANSWERS, PROMPTS, read_rows, write_table
from elasticity.tokenization import load_tokenizer

with errors_for_people():
    one_thread()
    command = Command(__doc__, AnswerJob, "rungs", "prompts", "answers")
    job = command.job
    prompts = read_rows(command.path("prompts"), PROMPTS)
    rows = []
    for rung in progress(job.rungs, "answer", "rungs"):
        folder = command.path("rungs") / str(rung)
        cell = {"base": job.base, "first_side": job.first_side, "seed": job.seed, "first_size": job.first_size}
        cell["second_size"] = None if job.first_size is None else rung
        answers = answer(load_model(folder), load_tokenizer(folder), prompts, job.sampling)
        rows += [cell | row for row in answers]
    write_table(command.path("answers"), rows, ANSWERS)
    print(f"{len(rows)} answers, {sum(len(row['answer_tokens']) for row in rows)} tokens")
