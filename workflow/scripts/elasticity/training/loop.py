"""One training loop for pre-training and fine-tuning: a run over batches that leaves checkpoints behind."""

import math
import signal
import time
from collections.abc import Sequence
from types import FrameType, TracebackType

import torch

from elasticity.config.training import Optimization
from elasticity.core.errors import StoppedError, UserError
from elasticity.data.examples import Batch
from elasticity.resources.estimates import SAVING_SHARE
from elasticity.runtime.journal import Journal
from elasticity.runtime.progress import progress
from elasticity.training.backends import Backend
from elasticity.training.checkpoint import Progress, StateFolder
from elasticity.training.objectives import Objective
from elasticity.training.recording import Recorder

STOPPING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
"""Signals after which a run saves its state and ends: of schedulers, of Snakemake, and of Ctrl-C."""


class StopSignal:
    """Context manager that records the signals of ``STOPPING``; a loop checks ``received`` between two updates.

    A signal that the process ignores stays ignored, as SIGINT in the background of a shell.
    """

    def __init__(self) -> None:
        self.received = False

    def __enter__(self) -> "StopSignal":
        heard = [number for number in STOPPING if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._remember) for number in heard}
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = True


FINAL_SHARE = 0.1
"""Share of the peak learning rate that a linear schedule ends at. A cosine schedule ends at 0, as in transformers."""


def learning_rate(settings: Optimization, update: int, updates: int) -> float:
    """Return the learning rate of an update (from 0) in a run of ``updates``: linear warm-up, then the schedule.

    After warm-up, ``cosine`` is that of ``transformers.get_cosine_schedule_with_warmup``.
    """
    if update < settings.warmup_updates:
        return settings.learning_rate * (update + 1) / settings.warmup_updates
    done = (update - settings.warmup_updates) / max(1, updates - settings.warmup_updates)
    shares = {"constant": 1.0, "linear": 1 - (1 - FINAL_SHARE) * done, "cosine": (1 + math.cos(math.pi * done)) / 2}
    return settings.learning_rate * shares[settings.schedule]


def train(
    backend: Backend,
    batches: Sequence[Batch],
    objective: Objective,
    recorder: Recorder,
    settings: Optimization,
    micro_batch: int,
    state: StateFolder,
    save_every_s: float,
    journal: Journal,
) -> Progress:
    """Train on the batches in their order, one update each, and save or measure the model at its checkpoints.

    After 0 updates ``recorder`` gets the model as given. ``micro_batch`` rows of a batch go through the model at a
    time. A state is saved every ``save_every_s`` seconds (0: after every update), or less often where saving takes
    long. A run continues from the last published state and, on one process, ends at bit-identical weights.

    Returns the losses, one row per update (schema ``LOSSES``), and the seconds that all attempts took for training and
    for measuring.
    Raises ``UserError`` before an update whose loss or gradient is not finite, and ``StoppedError`` after a signal. The
    state that was saved last is kept.
    """
    started = time.monotonic()
    if objective.compares:
        for update, batch in enumerate(progress(batches, "measure the start", "batches", journal)):
            objective.measure_start(backend, update, batch, micro_batch)
    done = state.resume(backend)
    seconds = recorder.record(backend, done.update, state)
    before = done.wall_s - seconds
    done.measuring_s += seconds
    saved, pause = started, save_every_s
    with StopSignal() as stop:
        for update in progress(range(done.update, len(batches)), "train", "updates", journal, done.update):
            batch, rate = batches[update], learning_rate(settings, update, len(batches))
            parts = objective.parts(backend, update, batch, micro_batch)
            loss = _update(backend, objective, batch, parts, rate, update)
            row = {"update": update + 1, "examples": len(batch.tokens) // objective.group}
            row["tokens"] = int(backend.total(sum(part.targets for part in parts)))
            done.losses.append(row | {"learning_rate": rate, "loss": loss})
            done.tokens += int(backend.total(sum(int(part.attention.sum()) for part in parts if part.targets)))
            done.update = update + 1
            seconds = recorder.record(backend, done.update, state)
            before -= seconds
            done.measuring_s += seconds
            done.wall_s = before + time.monotonic() - started
            if done.update == len(batches) or done.update % objective.passes:
                continue
            if backend.any(stop.received or time.monotonic() - saved >= pause):
                start = time.monotonic()
                state.publish(backend, done)
                saved = time.monotonic()
                pause = save_every_s and max(save_every_s, (saved - start) / SAVING_SHARE)
                if backend.any(stop.received):
                    raise StoppedError(f"stopped by a signal after update {done.update} of {len(batches)}: state saved")
    return done


def _update(
    backend: Backend, objective: Objective, batch: Batch, parts: Sequence[Batch], rate: float, update: int
) -> float:
    """Make one optimizer update and return the objective before it.

    The gradient does not depend on how the batch is divided, up to rounding.
    """
    loss = 0.0
    for number, part in enumerate(parts, start=1):
        share = objective.loss(backend, part, batch)
        backend.backward(share, last=number == len(parts))
        loss += share.item()
    loss, norm = backend.total(loss), backend.gradient_norm()
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise UserError(
            f"update {update + 1}: loss {loss}, gradient norm {norm}: training diverged at example "
            f"{', '.join(_suspects(backend, parts))}. The last state is kept. Lower the learning rate (here {rate}), "
            "or look at the example."
        )
    backend.step(rate)
    return loss


def _suspects(backend: Backend, parts: Sequence[Batch]) -> list[str]:
    """Return the examples of an update, on all processes, whose loss is not finite; all examples if every loss is."""
    diverged = []
    for part in parts:
        with torch.no_grad():
            nats = backend.nats(part)
        finite = nats.isfinite().all(1).tolist()
        diverged += [name for name, good in zip(part.identities, finite, strict=True) if not good]
    everyone = [name for part in parts if part.targets for name in part.identities]
    return backend.gather(diverged) or backend.gather(everyone)
