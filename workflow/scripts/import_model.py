"""Import a model folder: it must load as a safetensors causal language model with a complete tokenizer."""

from pathlib import Path

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.jobs import FolderJob
from elasticity.models import load_model, save
from elasticity.tokenization import load_tokenizer

with errors_for_people():
    command = Command(__doc__, FolderJob, "rungs")
    source = Path(command.job.path)
    save(load_model(source), load_tokenizer(source), command.path("rungs") / "0")
