"""Answer the prompts with every rung of a ladder."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.generation import answer, load_engine
from elasticity.evaluation.jobs import AnswerJob
from elasticity.evaluation.schemas import ANSWERS
from elasticity.models.loading import one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share


def main() -> None:
    """The job on the command line."""
    with Command(__doc__, AnswerJob, "rungs", "prompts", output="answers", optional=("weak",)) as command:
        one_thread()
        job = command.job
        prompts = read_rows(command.path("prompts"), PROMPTS)
        weak = command.path("weak") / str(job.weak) if job.weak is not None else None
        rows = []
        for rung in progress(job.rungs, "answer", "rungs", command.journal):
            folder = command.path("rungs") / str(rung)
            tokenizer = load_tokenizer(folder)
            with load_engine(job.engine, folder, tokenizer, weak) as engine:
                answers = answer(engine, tokenizer, share(prompts), job.sampling, job.template)
            rows += [job.row(rung) | row for row in collect(answers)]
        if is_first_process():
            write_table(command.path("answers"), rows, ANSWERS)
        print(f"{len(rows)} answers, {sum(len(row['answer_tokens']) for row in rows)} tokens")


if __name__ == "__main__":  # the process that vLLM starts imports this file
    main()
