"""Fine-tune a slice on the responses of another one; measure its cross-entropies before and after, in memory."""

from elasticity.core.tables import read_rows
from elasticity.evaluation.cross_entropies import CrossEntropyMeasurement
from elasticity.evaluation.schemas import CHOSEN, SLICE_RESPONSES
from elasticity.runtime.command import Command
from elasticity.training.fine_tuning import DATA, FILES, fine_tune
from elasticity.training.jobs import TuneJob

with Command(__doc__, TuneJob, *FILES, "questions", "cross-entropies", output="checkpoints", optional=DATA) as command:
    job = command.job
    questions = read_rows(command.path("questions"), SLICE_RESPONSES)
    chosen = [row for path in command.paths("chosen") for row in read_rows(path, CHOSEN)]
    measurement = CrossEntropyMeasurement(job.cross_entropies, command.path("start"), questions, chosen)
    fine_tune(command, job.training, measurement, job.saved, [command.path("questions")])
