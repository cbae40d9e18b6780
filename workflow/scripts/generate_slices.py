"""Generate responses with each slice from its checkpoint: the twin data sets, and the texts of the cross-entropies."""

from elasticity.core.tables import read_rows
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.generation import load_engine
from elasticity.evaluation.jobs import GenerateSlicesJob
from elasticity.evaluation.measurement import Tables, write_tables
from elasticity.evaluation.slice_responses import SliceMeasurement
from elasticity.models.loading import one_thread
from elasticity.runtime.command import Command
from elasticity.runtime.progress import progress

FILES = ("checkpoints", "twin-prompts", "question-prompts", "questions")


def main() -> None:
    """Run the job on the command line."""
    with Command(__doc__, GenerateSlicesJob, *FILES, output="twins") as command:
        one_thread()
        job = command.job
        folders = {size: command.path("checkpoints") / str(size) for size in job.responses.checkpoints}
        prompts = (read_rows(command.path(name), PROMPTS) for name in FILES[1:3])
        measurement = SliceMeasurement(job.responses, folders[job.responses.checkpoints[0]], *prompts)
        tables: Tables = {name: [] for name in measurement.schemas}
        for size, folder in progress(folders.items(), "generate", "slices", command.journal):
            with load_engine(job.engine, folder, measurement.tokenizer) as engine:
                for name, rows in measurement.respond(engine, size).items():
                    tables[name] += rows
        write_tables(measurement, tables, {name: command.path(name) for name in tables})


if __name__ == "__main__":  # vLLM starts a process that imports this file
    main()
