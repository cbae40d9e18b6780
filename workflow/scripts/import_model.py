"""Import a model: from a folder, the hub, or a GGUF file."""

import json
from pathlib import Path

from elasticity.core.digests import seal
from elasticity.models.importing import load
from elasticity.models.jobs import ImportJob
from elasticity.models.loading import probe_nats, save
from elasticity.models.sources import source_of
from elasticity.runtime.command import Command

with Command(__doc__, ImportJob, "metrics", output="checkpoints", optional=("source",)) as command:
    downloaded = next(iter(command.paths("source")), Path())  # of a model of the hub; others say where they are
    model, tokenizer = load(command.job.model, source_of(command.job.model, downloaded))
    nats = probe_nats(model, model.config.vocab_size, model.device)
    save(model, tokenizer, command.path("checkpoints") / "0", nats)
    seal(command.path("checkpoints") / "0")
    metrics = {"parameters": sum(parameter.numel() for parameter in model.parameters())}
    command.path("metrics").write_text(json.dumps(metrics, indent=2) + "\n")
