"""Train a model from random weights on the data of pre-training, alignment and perturbation, shuffled together."""

from elasticity.core.tables import read_rows, write_table
from elasticity.data.examples import batched, pretraining_sequences
from elasticity.data.schemas import EXAMPLES
from elasticity.evaluation.model_measurement import INPUTS, ModelMeasurement
from elasticity.models.loading import new_model, one_thread
from elasticity.models.shapes import pretrained_shape
from elasticity.models.tokenizer import load_tokenizer
from elasticity.runtime.command import Command
from elasticity.runtime.journal import is_first_process
from elasticity.training.datasets import amounts, mixed, responses_once
from elasticity.training.jobs import JointJob
from elasticity.training.objectives import CodeLength
from elasticity.training.run import RunFiles, run
from elasticity.training.schemas import AMOUNTS

DATA = ("pretraining", "alignment", "inverse")
FILES = (*DATA, "tokenizer", "amounts", "losses", "metrics", "state")
OPTIONAL = (*INPUTS, *ModelMeasurement.schemas)

with Command(__doc__, JointJob, *FILES, output="checkpoints", optional=OPTIONAL) as command:
    one_thread()
    job, settings = command.job, command.job.model.optimization
    tokenizer = load_tokenizer(command.path("tokenizer"))
    texts, alignment, inverse = (read_rows(command.path(name), EXAMPLES) for name in DATA)
    corpora = [
        pretraining_sequences(job.model, tokenizer, texts),
        responses_once(job.alignment, tokenizer, [alignment]),
        responses_once(job.inverse, tokenizer, [inverse]),
    ]
    if is_first_process():
        write_table(command.path("amounts"), [job.cell.row(job.base, job.checkpoint) | amounts(corpora)], AMOUNTS)
    batches = batched(mixed(corpora, job.cell.seed), settings.batch_size, tokenizer.pad_token_id)
    model = new_model(job.model.model_copy(update={"seed": job.cell.seed}), tokenizer)
    measurement = None
    files = [command.path(name) for name in (*DATA, "tokenizer")]
    if job.measurements:
        measurement = ModelMeasurement.of(command, job.measurements, command.path("tokenizer"))
        files += measurement.inputs(command)
    run(
        make_model=lambda: model,
        shape=pretrained_shape(job.model, len(tokenizer)),
        tokenizer=tokenizer,
        batches=batches,
        objective=CodeLength(),
        checkpoints={str(job.checkpoint): len(batches)},
        settings=settings,
        files=RunFiles.of(command, files, measurement),
        measurement=measurement,
        saved=[str(size) for size in job.saved],
    )
