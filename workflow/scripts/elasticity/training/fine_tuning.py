"""A fine-tuning job: its command line, its data, and its run."""

from collections.abc import Collection, Sequence
from pathlib import Path

from elasticity.config.models import ModelFolder
from elasticity.core.run_names import write_sizes
from elasticity.core.tables import read_rows
from elasticity.data.examples import training_examples
from elasticity.data.schemas import EXAMPLES, PROMPTS
from elasticity.evaluation.measurement import Measurement
from elasticity.evaluation.schemas import CHOSEN, SLICE_RESPONSES, chosen_prompts
from elasticity.models.loading import load_model, one_thread
from elasticity.models.shapes import shape_of
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command, Job
from elasticity.training.datasets import TrainingData, TrainingInputs
from elasticity.training.extrapolation import checkpoints_of_run
from elasticity.training.jobs import FineTuneJob
from elasticity.training.lora import adapted
from elasticity.training.run import RunFiles, run
from elasticity.training.validation import Validation

FILES = ("start", "losses", "metrics", "state")
"""The options of a fine-tuning job's command line, beside the main output ``checkpoints``."""

DATA = ("examples", "chosen", "prompts", "score-model", "validation")
"""The options for its data, of which it may need a part only."""


def start_of(command: Command[Job], job: FineTuneJob) -> Path:
    """Return the folder of the model that a fine-tuning job starts from."""
    return command.path("start") / job.start


def fine_tune(
    command: Command[Job],
    job: FineTuneJob,
    measurement: Measurement | None = None,
    saved: Collection[int] | None = None,
    inputs: Sequence[Path] = (),
) -> None:
    """Fine-tune by the algorithm that the settings name, on the files of the command line.

    ``measurement`` is taken at each size; ``saved`` are the sizes whose weights are an output, by default all.
    ``inputs`` are the files that the measurement reads: a saved state is not continued with others.
    """
    one_thread()
    write_sizes(command.path("metrics").parent, job.sizes)
    settings, start = job.settings, start_of(command, job)
    tokenizer = load_tokenizer(start)
    schema = EXAMPLES if job.responses_of_slice is None else SLICE_RESPONSES
    tables = [read_rows(path, schema) for path in command.paths("examples")]
    if job.chosen_for is not None:
        chosen = chosen_prompts(read_rows(command.path("chosen"), CHOSEN))["twins", job.chosen_for]
        tables = [[row for row in table if row["prompt_id"] in chosen] for table in tables]
    prompts = [row for path in command.paths("prompts") for row in read_rows(path, PROMPTS)]
    data: TrainingData = settings.algorithm.training_data(
        TrainingInputs(job, tokenizer, start, tables, prompts, command.paths("score-model"))
    )
    rows = [row for path in command.paths("validation") for row in read_rows(path, EXAMPLES)]
    examples = training_examples(rows, tokenizer, job.template, settings.max_length)
    files = [path for name in DATA for path in command.paths(name)]
    run(
        make_model=lambda: adapted(load_model(start), settings.lora, job.seed),
        shape=shape_of(ModelFolder(kind="folder", path=str(start))),
        tokenizer=tokenizer,
        batches=data.batches,
        objective=data.objective,
        checkpoints=checkpoints_of_run(settings, job.sizes),
        settings=settings,
        files=RunFiles.of(command, [start, *files, *inputs], measurement),
        carried=start if settings.optimizer == "carried" else None,
        keep_optimizer=job.keep_optimizer,
        measurement=measurement,
        saved=[str(size) for size in (job.sizes if saved is None else saved)],
        validation=Validation(examples, tokenizer.pad_token_id, job.contrast),
    )
