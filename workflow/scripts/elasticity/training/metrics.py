"""Metrics of a training job: what was trained, how fast, and on which hardware."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from elasticity.config.hardware import peak_tflops
from elasticity.config.training import FineTuning, Optimization
from elasticity.models.loading import hardware
from elasticity.models.precision import resolved
from elasticity.models.shapes import Shape
from elasticity.resources.flops import training_flops_per_token, utilisation
from elasticity.runtime.environment import CLAIMS
from elasticity.training.backends import Backend
from elasticity.training.checkpoint import Progress


def summary(
    done: Progress,
    shape: Shape,
    backend: Backend,
    settings: Optimization,
    micro_batch: int,
) -> dict[str, Any]:
    """Return the metrics of a training job; seconds and rates are over all attempts that led to the result.

    ``wall_s`` and the rates are those of training; ``measuring_s`` are the seconds of measurements between updates.

    ``tokens`` counts the tokens that went through the model, without padding. ``peak_memory_gb`` is that of the first
    process. ``utilisation`` is None if the peak rate of the device is unknown, as for CPUs. ``claims`` is the digest of
    the study's claims when the job ran, None outside a study.
    """
    targets = sum(row["tokens"] for row in done.losses)
    examples = sum(row["examples"] for row in done.losses)
    flops = training_flops_per_token(shape, done.tokens // max(1, examples * settings.rows))
    rate = done.tokens / done.wall_s if done.wall_s else 0.0
    device = hardware(backend.device)
    peak = peak_tflops(device["device"])
    return {
        "updates": len(done.losses),
        "examples": examples,
        "tokens": done.tokens,
        "target_tokens": targets,
        **_mean_loss(done.losses, settings),
        "parameters": shape.parameters,
        "weights": "bf16" if settings.bf16_weights else "fp32",
        "precision": resolved(settings.precision, backend.device),
        "wall_s": round(done.wall_s, 3),
        "measuring_s": round(done.measuring_s, 3),
        "tokens_per_s": round(rate, 1),
        "model_tflop": flops * done.tokens / 1e12,
        "model_tflop_per_s": flops * rate / 1e12,
        "utilisation": utilisation(flops, rate, backend.processes, peak) if peak else None,
        "peak_memory_gb": round(backend.peak_memory_bytes() / 1e9, 3),
        "processes": backend.processes,
        "micro_batch": micro_batch,
        "claims": os.environ.get(CLAIMS),
        **device,
    }


def _mean_loss(losses: Sequence[Mapping[str, Any]], settings: Optimization) -> dict[str, float | None]:
    """Return the mean loss: nats per target token in supervised fine-tuning, otherwise per example, without a unit."""
    nats = not isinstance(settings, FineTuning) or settings.algorithm.kind == "sft"
    name, weight = ("mean_loss_nats", "tokens") if nats else ("mean_loss", "examples")
    total = sum(row[weight] for row in losses)
    return {name: sum(row["loss"] * row[weight] for row in losses) / total if total else None}
