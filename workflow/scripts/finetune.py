"""Fine-tune a model in one run, and save a checkpoint after each size."""

from elasticity.runtime.command import Command
from elasticity.training.fine_tuning import DATA, FILES, fine_tune
from elasticity.training.jobs import FineTuneJob

with Command(__doc__, FineTuneJob, *FILES, output="checkpoints", optional=DATA) as command:
    fine_tune(command, command.job)
