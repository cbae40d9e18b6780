"""Generate responses with each slice: the twin data sets (prompts of D4), and the texts of the cross-entropies."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.generation import generate, load_engine
from elasticity.evaluation.jobs import GenerateSlicesJob
from elasticity.evaluation.schemas import SLICE_RESPONSES
from elasticity.models.loading import one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share

FILES = ("checkpoints", "twin-prompts", "question-prompts", "questions")


def main() -> None:
    """Run the job on the command line."""
    with Command(__doc__, GenerateSlicesJob, *FILES, output="twins") as command:
        one_thread()
        job = command.job
        twin_prompts = share(read_rows(command.path("twin_prompts"), PROMPTS))
        question_prompts = share(read_rows(command.path("question_prompts"), PROMPTS))
        twins, questions = [], []
        for number, checkpoint in enumerate(progress(job.checkpoints, "generate", "slices", command.journal), start=1):
            folder = command.path("checkpoints") / str(checkpoint)
            tokenizer = load_tokenizer(folder)
            with load_engine(job.engine, folder, tokenizer) as engine:
                twin_responses = generate(engine, tokenizer, twin_prompts, job.twin_sampling, job.twin_template)
                question_responses = generate(
                    engine, tokenizer, question_prompts, job.question_sampling, job.question_template
                )
            twins += [{"slice": number} | row for row in collect(twin_responses)]
            questions += [{"slice": number} | row for row in collect(question_responses)]
        if is_first_process():
            write_table(command.path("twins"), twins, SLICE_RESPONSES)
            write_table(command.path("questions"), questions, SLICE_RESPONSES)
        print(f"{len(twins)} twin responses, {len(questions)} responses to measure on")


if __name__ == "__main__":  # vLLM starts a process that imports this file
    main()
