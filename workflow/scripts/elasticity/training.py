"""One training loop for pre-training and fine-tuning: a run over batches that leaves rungs behind."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.errors import UserError
from elasticity.examples import IGNORED, Batch
from elasticity.models import autocast, hardware, resolved, save
from elasticity.progress import progress
from elasticity.settings import Optimization
from elasticity.state import StateFolder

FINAL_SHARE = 0.1
"""Of the peak learning rate, at the end of a linear or cosine schedule."""


def learning_rate(settings: Optimization, update: int, updates: int) -> float:
    """The learning rate of an update (counted from 0) in a run of so many: linear warm-up, then the schedule."""
    if update < settings.warmup_updates:
        return settings.learning_rate * (update + 1) / settings.warmup_updates
    done = (update - settings.warmup_updates) / max(1, updates - settings.warmup_updates)
    share = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[settings.schedule]
    return settings.learning_rate * (FINAL_SHARE + (1 - FINAL_SHARE) * share)


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    batches: Sequence[Batch],
    rungs: Mapping[int, str],
    settings: Optimization,
    state: StateFolder,
    save_every_s: float,
) -> list[dict[str, Any]]:
    """Train on the batches in their order, one update each, and save the model after the updates named in ``rungs``.

    Continues from the last published state of the same run and ends at the same weights, bit for bit. Rung 0 is the
    model as given.

    Returns one row an update (schema ``LOSSES``).
    Raises ``UserError`` if a loss or a gradient is not finite; the last good state is kept.
    """
    optimizer = _optimizer(model, settings)
    done = state.resume(model, optimizer)
    model.eval()  # no dropout: a rung must equal an independent run, and a resumed run an undisturbed one
    _save_rung(model, tokenizer, rungs, done.update, state)
    saved = time.monotonic()
    for update in progress(range(done.update, len(batches)), "train", "updates"):
        rate = learning_rate(settings, update, len(batches))
        loss = _update(model, optimizer, batches[update], settings, rate, update)
        batch = batches[update]
        done.losses.append(
            {
                "update": update + 1,
                "examples": len(batch.tokens),
                "tokens": batch.targets,
                "learning_rate": rate,
                "loss": loss,
            }
        )
        done.update = update + 1
        _save_rung(model, tokenizer, rungs, done.update, state)
        if time.monotonic() - saved >= save_every_s and done.update < len(batches):
            state.publish(model, optimizer, done)
            saved = time.monotonic()
    return done.losses


def summary(losses: Sequence[Mapping[str, Any]], model: PreTrainedModel, settings: Optimization, wall_s: float) -> Any:
    """Metrics of a training job. ``wall_s`` and the rate are of this attempt: a resumed run reports its last part."""
    tokens = sum(row["tokens"] for row in losses)
    return {
        "updates": len(losses),
        "examples": sum(row["examples"] for row in losses),
        "target_tokens": tokens,
        "mean_loss_nats": sum(row["loss"] * row["tokens"] for row in losses) / tokens if tokens else None,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "precision": resolved(settings.precision),
        "wall_s": round(wall_s, 3),
        "tokens_per_s": round(tokens / wall_s, 1),
        **hardware(),
    }


def _optimizer(model: PreTrainedModel, settings: Optimization) -> torch.optim.Optimizer:
    """AdamW on fp32 weights; weight decay on matrices only, as is usual."""
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        raise TypeError("master weights must be fp32")
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), fused=True)


def _update(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    settings: Optimization,
    rate: float,
    update: int,
) -> float:
    """One optimizer update; returns the mean loss in nats per target token before it."""
    with autocast(settings.precision):
        logits = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits
    loss = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
    )
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
    if not torch.isfinite(loss) or not torch.isfinite(norm):
        raise UserError(
            f"update {update + 1}: loss {loss.item()}, gradient norm {norm.item()}: training diverged. "
            f"Lower the learning rate ({settings.learning_rate})."
        )
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def _save_rung(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    rungs: Mapping[int, str],
    update: int,
    state: StateFolder,
) -> None:
    name = rungs.get(update)
    if name is not None and not state.has_rung(name):
        folder: Path = state.draft_rung(name)
        save(model, tokenizer, folder)
        state.publish_rung(name)
