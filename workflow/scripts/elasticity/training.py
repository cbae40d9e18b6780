"""One training loop for pre-training and fine-tuning: a run over batches that leaves rungs behind."""

import math
import time
from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from elasticity.backends import Backend
from elasticity.errors import StoppedError, UserError
from elasticity.examples import IGNORED, Batch, micro_batches
from elasticity.journal import Journal
from elasticity.progress import progress
from elasticity.settings import Optimization
from elasticity.signals import StopSignal
from elasticity.state import Progress, StateFolder

FINAL_SHARE = 0.1
"""Of the peak learning rate, at the end of a linear or cosine schedule."""

SAVING_SHARE = 0.05
"""Of the time that a run may spend on saving its state."""


def learning_rate(settings: Optimization, update: int, updates: int) -> float:
    """The learning rate of an update (counted from 0) in a run of so many: linear warm-up, then the schedule."""
    if update < settings.warmup_updates:
        return settings.learning_rate * (update + 1) / settings.warmup_updates
    done = (update - settings.warmup_updates) / max(1, updates - settings.warmup_updates)
    share = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[settings.schedule]
    return settings.learning_rate * (FINAL_SHARE + (1 - FINAL_SHARE) * share)


def train(
    backend: Backend,
    tokenizer: PreTrainedTokenizerFast,
    batches: Sequence[Batch],
    rungs: Mapping[int, str],
    settings: Optimization,
    micro_batch: int,
    state: StateFolder,
    save_every_s: float,
    journal: Journal,
) -> Progress:
    """Train on the batches in their order, one update each, and save the model after the updates named in ``rungs``.

    Continues from the last published state of the same run and, on one process, ends at the same weights, bit for bit.
    Rung 0 is the model as given. ``micro_batch`` examples go through the model at a time. A
    state is saved every ``save_every_s`` seconds (0: after every update), or less often where saving takes long.

    Returns the losses, one row an update (schema ``LOSSES``), and the seconds that all attempts took.
    Raises ``UserError`` if a loss or a gradient is not finite, before the update; ``StoppedError`` after a signal. The
    state that was saved last is kept.
    """
    done = state.resume(backend)
    before, started = done.wall_s, time.monotonic()
    _save_rung(backend, tokenizer, rungs, done.update, state)
    saved, pause = started, save_every_s
    with StopSignal() as stop:
        for update in progress(range(done.update, len(batches)), "train", "updates", journal, done.update):
            batch, rate = batches[update], learning_rate(settings, update, len(batches))
            loss = _update(backend, batch, micro_batch, rate, update)
            row = {"update": update + 1, "examples": len(batch.tokens), "tokens": batch.targets}
            done.losses.append(row | {"learning_rate": rate, "loss": loss})
            done.update = update + 1
            done.wall_s = before + time.monotonic() - started
            _save_rung(backend, tokenizer, rungs, done.update, state)
            if done.update < len(batches) and backend.any(stop.received or time.monotonic() - saved >= pause):
                start = time.monotonic()
                state.publish(backend, done)
                saved = time.monotonic()
                pause = save_every_s and max(save_every_s, (saved - start) / SAVING_SHARE)
                if backend.any(stop.received):
                    raise StoppedError(f"stopped by a signal after update {done.update} of {len(batches)}: state saved")
    return done


def _update(backend: Backend, batch: Batch, micro_batch: int, rate: float, update: int) -> float:
    """One optimizer update; returns the mean loss in nats per target token before it.

    Each part adds the sum over its tokens, divided by the number of tokens in the whole batch: the gradient is that of
    the mean over tokens, however the batch is divided.
    """
    parts = [part.to(backend.device) for part in micro_batches(batch, micro_batch, backend.rank, backend.processes)]
    loss = 0.0
    for number, part in enumerate(parts, start=1):
        mean = _nats(backend, part, "sum") / batch.targets
        backend.backward(mean, last=number == len(parts))
        loss += mean.item()
    loss, norm = backend.total(loss), backend.gradient_norm()
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise UserError(
            f"update {update + 1}: loss {loss}, gradient norm {norm}: training diverged at example "
            f"{', '.join(_suspects(backend, parts))}. The last state is kept. Lower the learning rate (here {rate}), "
            "or look at the example."
        )
    backend.step(rate)
    return loss


def _nats(backend: Backend, batch: Batch, reduction: str) -> torch.Tensor:
    """Negative log-probabilities of the target tokens: their sum, or each (examples * (tokens - 1), zero elsewhere)."""
    logits = backend.logits(batch)
    return functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), batch.labels[:, 1:].flatten(), ignore_index=IGNORED, reduction=reduction
    )


def _suspects(backend: Backend, parts: Sequence[Batch]) -> list[str]:
    """The examples of an update, of all processes, whose loss is not finite; all if only a gradient is not."""
    diverged = []
    for part in parts:
        with torch.no_grad():
            finite = _nats(backend, part, "none").view(len(part.tokens), -1).isfinite().all(1).tolist()
        diverged += [name for name, good in zip(part.identities, finite, strict=True) if not good]
    everyone = [name for part in parts if part.targets for name in part.identities]
    return backend.gather(diverged) or backend.gather(everyone)


def _save_rung(
    backend: Backend,
    tokenizer: PreTrainedTokenizerFast,
    rungs: Mapping[int, str],
    update: int,
    state: StateFolder,
) -> None:
    name = rungs.get(update)
    if name is not None and not backend.any(state.has_rung(name)):
        state.save_rung(name, backend, tokenizer)
