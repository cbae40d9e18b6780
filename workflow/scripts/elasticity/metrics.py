"""What a training job did and how fast: its metrics."""

from collections.abc import Sequence
from typing import Any

from elasticity.backends import Backend
from elasticity.examples import Batch
from elasticity.flops import training_flops_per_token, utilisation
from elasticity.hardware import peak_tflops
from elasticity.models import hardware, resolved
from elasticity.settings import Optimization
from elasticity.shapes import Shape
from elasticity.state import Progress


def summary(
    done: Progress,
    batches: Sequence[Batch],
    shape: Shape,
    backend: Backend,
    settings: Optimization,
    micro_batch: int,
) -> dict[str, Any]:
    """Metrics of a training job; seconds and rates are over all attempts that the result is made of.

    Tokens are those that went through the model, without padding; peak memory is that of the first process; the
    utilisation is None where the device's peak is not known, as for processors.
    """
    targets = sum(row["tokens"] for row in done.losses)
    examples = sum(len(batch.tokens) for batch in batches)
    tokens = sum(int(batch.attention.sum()) for batch in batches)
    flops = training_flops_per_token(shape, tokens // max(1, examples))
    rate = tokens / done.wall_s if done.wall_s else 0.0
    device = hardware(backend.device)
    peak = peak_tflops(device["device"])
    return {
        "updates": len(done.losses),
        "examples": examples,
        "tokens": tokens,
        "target_tokens": targets,
        "mean_loss_nats": sum(row["loss"] * row["tokens"] for row in done.losses) / targets if targets else None,
        "parameters": shape.parameters,
        "precision": resolved(settings.precision, backend.device),
        "wall_s": round(done.wall_s, 3),
        "tokens_per_s": round(rate, 1),
        "model_tflop": flops * tokens / 1e12,
        "model_tflop_per_s": flops * rate / 1e12,
        "utilisation": utilisation(flops, rate, backend.processes, peak) if peak else None,
        "peak_memory_gb": round(backend.peak_memory_bytes() / 1e9, 3),
        "processes": backend.processes,
        "micro_batch": micro_batch,
        **device,
    }
