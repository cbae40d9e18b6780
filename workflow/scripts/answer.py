"""Answer the prompts with every rung of a ladder."""

from elasticity.command import Command
from elasticity.generation import answer, load_engine
from elasticity.jobs import AnswerJob
from elasticity.journal import is_first_process
from elasticity.models import one_thread
from elasticity.processes import collect, share
from elasticity.progress import progress
from elasticity.records import ANSWERS, PROMPTS, read_rows, write_table
from elasticity.tokenization import load_tokenizer


def main() -> None:
    """The job on the command line."""
    with Command(__doc__, AnswerJob, "rungs", "prompts", output="answers") as command:
        one_thread()
        job = command.job
        prompts = read_rows(command.path("prompts"), PROMPTS)
        rows = []
        for rung in progress(job.rungs, "answer", "rungs", command.journal):
            folder = command.path("rungs") / str(rung)
            cell = {"base": job.base, "first_side": job.first_side, "seed": job.seed, "first_size": job.first_size}
            cell["second_size"] = None if job.first_size is None else rung
            tokenizer = load_tokenizer(folder)
            with load_engine(job.engine, folder, tokenizer) as engine:
                answers = answer(engine, tokenizer, share(prompts), job.sampling)
            rows += [cell | row for row in collect(answers)]
        if is_first_process():
            write_table(command.path("answers"), rows, ANSWERS)
        print(f"{len(rows)} answers, {sum(len(row['answer_tokens']) for row in rows)} tokens")


if __name__ == "__main__":  # the process that vLLM starts imports this file
    main()
