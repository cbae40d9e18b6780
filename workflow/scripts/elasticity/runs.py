"""A training job from start to finish: resume, train, hand over rungs, losses and metrics, forget the state."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.command import Command, Job
from elasticity.digests import code_digest, digest, file_digest, folder_digest
from elasticity.examples import Batch
from elasticity.records import LOSSES, write_table
from elasticity.settings import Optimization
from elasticity.state import StateFolder
from elasticity.training import summary, train

SAVE_EVERY_S = float(os.environ.get("ELASTICITY_SAVE_EVERY_S", "60"))
"""Seconds between states that a killed run resumes from; they change nothing about the result."""


@dataclass(frozen=True)
class RunFiles:
    """The outputs of a run, and the folder of its state."""

    rungs: Path
    losses: Path
    metrics: Path
    state: Path

    @classmethod
    def of(cls, command: Command[Job], script: str, inputs: Sequence[Path]) -> "RunFiles":
        """The files named on the command line; the state is kept under the digest of all that determines the run."""
        contents = [folder_digest(path) if path.is_dir() else file_digest(path) for path in inputs]
        rungs, losses, metrics, state = map(command.path, ("rungs", "losses", "metrics", "state"))
        # The output is part of the key: two experiments may hold the same run, and their jobs run side by side.
        key = digest([rungs.as_posix(), command.job.model_dump(mode="json"), contents, code_digest(script)])
        return cls(rungs, losses, metrics, state / key[:32])


def run(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    batches: Sequence[Batch],
    rungs: Mapping[int, str],
    settings: Optimization,
    files: RunFiles,
) -> None:
    """Train and write every output of a training job.

    ``rungs`` names the model after each of these updates. The metrics are written last: they say that a run is done.
    """
    state = StateFolder(files.state)
    start = time.monotonic()
    losses = train(model, tokenizer, batches, rungs, settings, state, SAVE_EVERY_S)
    metrics = summary(losses, model, settings, time.monotonic() - start)
    state.hand_over(files.rungs)
    write_table(files.losses, losses, LOSSES)
    files.metrics.write_text(json.dumps(metrics, indent=2) + "\n")
    state.remove()
    print(json.dumps(metrics))
