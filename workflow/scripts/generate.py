"""Generate responses to the prompts with every checkpoint of a run."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.generation import generate, load_engine
from elasticity.evaluation.jobs import GenerateJob
from elasticity.evaluation.schemas import RESPONSES
from elasticity.models.loading import one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.runtime.progress import progress
from elasticity.runtime.sharding import collect, share


def main() -> None:
    """Run the job on the command line."""
    with Command(__doc__, GenerateJob, "checkpoints", "prompts", output="responses", optional=("weak",)) as command:
        one_thread()
        job = command.job
        prompts = read_rows(command.path("prompts"), PROMPTS)
        weak = command.path("weak") / str(job.weak) if job.weak is not None else None
        rows = []
        for checkpoint in progress(job.checkpoints, "generate", "checkpoints", command.journal):
            folder = command.path("checkpoints") / str(checkpoint)
            tokenizer = load_tokenizer(folder)
            with load_engine(job.engine, folder, tokenizer, weak) as engine:
                responses = generate(engine, tokenizer, share(prompts), job.sampling, job.template)
            rows += [job.row(checkpoint) | row for row in collect(responses)]
        if is_first_process():
            write_table(command.path("responses"), rows, RESPONSES)
        print(f"{len(rows)} responses, {sum(len(row['response_tokens']) for row in rows)} tokens")


if __name__ == "__main__":  # vLLM starts a process that imports this file
    main()
