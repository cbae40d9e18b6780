"""Import a model folder: it must load as a safetensors causal language model with a complete tokenizer."""

import json
from pathlib import Path

from elasticity.command import Command
from elasticity.jobs import FolderJob
from elasticity.models import load_model, save
from elasticity.probe import probe_nats
from elasticity.tokenization import load_tokenizer

with Command(__doc__, FolderJob, "metrics", output="rungs") as command:
    source = Path(command.job.path)
    model = load_model(source)
    nats = probe_nats(model, model.config.vocab_size, model.device)
    save(model, load_tokenizer(source), command.path("rungs") / "0", nats)
    metrics = {"parameters": sum(parameter.numel() for parameter in model.parameters())}
    command.path("metrics").write_text(json.dumps(metrics, indent=2) + "\n")
