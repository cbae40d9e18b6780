"""Import a model folder: it must load as a safetensors causal language model with a complete tokenizer."""

import json
from pathlib import Path

from elasticity.command import Command
from elasticity.errors import errors_for_people
from elasticity.jobs import FolderJob
from elasticity.models import load_model, save
from elasticity.tokenization import load_tokenizer

with errors_for_people():
    command = Command(__doc__, FolderJob, "rungs", "metrics")
    source = Path(command.job.path)
    model = load_model(source)
    save(model, load_tokenizer(source), command.path("rungs") / "0")
    metrics = {"parameters": sum(parameter.numel() for parameter in model.parameters())}
    command.path("metrics").write_text(json.dumps(metrics, indent=2) + "\n")
