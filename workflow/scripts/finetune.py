"""Fine-tune a model in one run by the algorithm that its settings name, and save a checkpoint after each size."""

from elasticity.core.tables import read_rows
from elasticity.data.schemas import EXAMPLES, PROMPTS
from elasticity.evaluation.schemas import CHOSEN, SLICE_RESPONSES, chosen_prompts
from elasticity.models.loading import load_model, one_thread
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.training.datasets import TrainingData, TrainingInputs
from elasticity.training.extrapolation import checkpoints_of_run
from elasticity.training.jobs import FineTuneJob
from elasticity.training.lora import adapted
from elasticity.training.run import RunFiles, run

FILES = ("start", "losses", "metrics", "state")
DATA = ("examples", "chosen", "prompts", "score-model")

with Command(__doc__, FineTuneJob, *FILES, output="checkpoints", optional=DATA) as command:
    one_thread()
    job, settings = command.job, command.job.settings
    start = command.path("start") / job.start
    tokenizer = load_tokenizer(start)
    schema = EXAMPLES if job.responses_of_slice is None else SLICE_RESPONSES
    tables = [read_rows(path, schema) for path in command.paths("examples")]
    if job.chosen_for is not None:
        chosen = chosen_prompts(read_rows(command.path("chosen"), CHOSEN))["twins", job.chosen_for]
        tables = [[row for row in table if row["prompt_id"] in chosen] for table in tables]
    prompts = [row for path in command.paths("prompts") for row in read_rows(path, PROMPTS)]
    inputs = TrainingInputs(job, tokenizer, start, tables, prompts, command.paths("score-model"))
    data: TrainingData = settings.algorithm.training_data(inputs)
    files = [path for name in DATA for path in command.paths(name)]
    run(
        make_model=lambda: adapted(load_model(start), settings.lora, job.seed),
        tokenizer=tokenizer,
        batches=data.batches,
        objective=data.objective,
        checkpoints=checkpoints_of_run(settings, job.sizes),
        settings=settings,
        files=RunFiles.of(command, [start, *files]),
        carried=start if settings.optimizer == "carried" else None,
        keep_optimizer=job.keep_optimizer,
    )
