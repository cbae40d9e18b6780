"""Fine-tune a model on D1, D2 and D3 in turn, and draw the responses of each slice from the weights in memory."""

from elasticity.core.tables import read_rows
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.slice_responses import SliceMeasurement
from elasticity.runtime.command import Command
from elasticity.training.fine_tuning import DATA, FILES, fine_tune, start_of
from elasticity.training.jobs import SlicesJob

INPUTS = ("twin-prompts", "question-prompts")

with Command(__doc__, SlicesJob, *FILES, *INPUTS, "twins", "questions", output="checkpoints", optional=DATA) as command:
    job = command.job
    prompts = (read_rows(command.path(name), PROMPTS) for name in INPUTS)
    measurement = SliceMeasurement(job.responses, start_of(command, job.training), *prompts)
    fine_tune(command, job.training, measurement, job.training.sizes, [command.path(name) for name in INPUTS])
