"""Fine-tune a model in one run, and measure it at each size from the weights in memory."""

from elasticity.evaluation.model_measurement import INPUTS, ModelMeasurement
from elasticity.runtime.command import Command
from elasticity.training.fine_tuning import DATA, FILES, fine_tune, start_of
from elasticity.training.jobs import InverseJob

OPTIONAL = (*DATA, *INPUTS, *ModelMeasurement.schemas)

with Command(__doc__, InverseJob, *FILES, output="checkpoints", optional=OPTIONAL) as command:
    job = command.job
    measurement = ModelMeasurement.of(command, job.measurements, start_of(command, job.training))
    fine_tune(command, job.training, measurement, job.saved, measurement.inputs(command))
