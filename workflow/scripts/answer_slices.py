"""Answer with each slice: the twin data sets (prompts of D4), and answers to measure cross-entropies on."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.generation import answer, load_engine
from elasticity.evaluation.jobs import SliceAnswerJob
from elasticity.evaluation.schemas import SLICE_ANSWERS
from elasticity.models.loading import one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share

FILES = ("rungs", "twin-prompts", "question-prompts", "questions")


def main() -> None:
    """The job on the command line."""
    with Command(__doc__, SliceAnswerJob, *FILES, output="twins") as command:
        one_thread()
        job = command.job
        twin_prompts = share(read_rows(command.path("twin_prompts"), PROMPTS))
        question_prompts = share(read_rows(command.path("question_prompts"), PROMPTS))
        twins, questions = [], []
        for number, rung in enumerate(progress(job.rungs, "answer", "slices", command.journal), start=1):
            folder = command.path("rungs") / str(rung)
            tokenizer = load_tokenizer(folder)
            with load_engine(job.engine, folder, tokenizer) as engine:
                twin_answers = answer(engine, tokenizer, twin_prompts, job.twin_sampling, job.twin_template)
                question_answers = answer(
                    engine, tokenizer, question_prompts, job.question_sampling, job.question_template
                )
            twins += [{"slice": number} | row for row in collect(twin_answers)]
            questions += [{"slice": number} | row for row in collect(question_answers)]
        if is_first_process():
            write_table(command.path("twins"), twins, SLICE_ANSWERS)
            write_table(command.path("questions"), questions, SLICE_ANSWERS)
        print(f"{len(twins)} twin answers, {len(questions)} answers to measure on")


if __name__ == "__main__":  # the process that vLLM starts imports this file
    main()
