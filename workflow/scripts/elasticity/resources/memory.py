"""What a training job keeps in the memory of one GPU, term by term.

Weights are fp32 and passes run under bf16 autocast. P is the number of parameters, n that of processes, t that of
tokens in one forward pass, h the hidden size. The constants were measured (docs/decisions.md): those of passes on a
Llama of transformers, tensor by tensor; those of ZeRO on DeepSpeed 0.19.8.
"""

from dataclasses import dataclass

from elasticity.config.training import Precision
from elasticity.models.shapes import Shape
from elasticity.runtime.launch import BUCKET, Geometry


@dataclass(frozen=True)
class _Passes:
    """Bytes that a pass keeps: in a layer for each token, hidden and intermediate unit; for each logit; of a weight."""

    hidden: int
    intermediate: int
    logit: int
    copy: int


_BF16 = _Passes(hidden=34, intermediate=8, logit=14, copy=2)


_PASSES: dict[Precision, _Passes] = {"auto": _BF16, "bf16": _BF16, "fp32": _Passes(40, 16, 16, 0)}


def training_bytes(
    shape: Shape, length: int, geometry: Geometry, precision: Precision = "auto", adapter_rank: int = 0
) -> int:
    """Bytes on one GPU at the peak of an update on sequences of ``length`` tokens: the sum of

    - the states that are not offloaded (see ``states``);
    - the larger of the turn from forward to backward (see ``_turn``) and the end of the backward pass (see ``_end``);
    - two buckets of gradients on their way, 2 · 4 · 5e7, with DeepSpeed;
    - two largest layers gathered, 4 bytes a parameter, in stage 3.
    """
    parts, offloaded = states(shape, geometry, adapter_rank), offloaded_parts(geometry)
    kept = sum(size for part, size in parts.items() if part not in offloaded)
    total = kept + max(_turn(shape, length, geometry, precision, adapter_rank), _end(shape, geometry, adapter_rank))
    if geometry.zero_stage is not None:
        total += 2 * 4 * min(_trained(shape, adapter_rank), BUCKET)
    if geometry.zero_stage == 3:
        total += 4 * (shape.layer + _largest(shape))
    return round(total)


def beside_bytes(shape: Shape, draws: int, score_model: int) -> int:
    """What each process of a job that draws tokens keeps beside the model in training, on its GPU if it has one.

    The fp32 weights of the model at the start, and of the score model, which has ``score_model`` parameters.
    """
    return 4 * (shape.parameters + score_model) if draws else 0


def _trained(shape: Shape, adapter_rank: int) -> int:
    """Parameters that are trained: T = P, or those of all low-rank adapters."""
    return shape.layers * shape.adapter(adapter_rank) if adapter_rank else shape.parameters


def states(shape: Shape, geometry: Geometry, adapter_rank: int = 0) -> dict[str, float]:
    """Bytes of one process that last from update to update, offloaded or not.

    Plain: 4 P weights, 4 P gradients, 8 P for the two moments of Adam: 16 P. DeepSpeed keeps master weights of its own
    even if weights are fp32, and divides among n: stage 0 nothing, and it needs no masters; stage 1 masters and
    moments: 4 P + 4 P + 12 P/n; stage 2 gradients, too: 4 P + 16 P/n; stage 3 weights, too: 20 P/n.

    With low-rank adapters of T parameters the weights are 4 P + 4 T, and only T of them have gradients, moments and
    masters: plain 4 P + 16 T, stage 1 4 P + 8 T + 12 T/n, stage 2 4 P + 4 T + 16 T/n.
    """
    stage, processes = geometry.zero_stage or 0, geometry.processes
    trained = _trained(shape, adapter_rank)
    weights = shape.parameters + (trained if adapter_rank else 0)
    return {
        "weights": 4 * weights / (processes if stage == 3 else 1),
        "gradients": 4 * trained / (processes if stage >= 2 else 1),
        "optimizer": 12 * trained / processes if stage >= 1 else 8 * trained,
    }


def offloaded_parts(geometry: Geometry) -> set[str]:
    """The states that lie in the memory of the node. Gradients follow the optimizer if they are divided (stage 2)."""
    if geometry.offload == "none":
        return set()
    if geometry.offload == "weights":
        return {"weights", "gradients", "optimizer"}
    return {"optimizer", "gradients"} if (geometry.zero_stage or 0) >= 2 else {"optimizer"}


def _largest(shape: Shape) -> int:
    """Parameters of the largest layer; the output layer is one."""
    return max(shape.layer, shape.embedding)


def _copies(shape: Shape, geometry: Geometry, precision: Precision) -> int:
    """Autocast's bf16 copies of weights: 2 P, because the backward pass needs them.

    Checkpointing makes them anew, so there are only those of one layer; the cache of autocast must be off for that.
    So it is in stage 3, whose linear layers keep the weight instead of the copy.
    """
    one_layer = geometry.gradient_checkpointing or geometry.zero_stage == 3
    return _PASSES[precision].copy * (_largest(shape) if one_layer else shape.parameters)


def _activations(shape: Shape, length: int, geometry: Geometry, precision: Precision) -> int:
    """What layers keep for the backward pass: t · (34 h + 8 · intermediate size) bytes each.

    The sum of residuals stays fp32, so of the 34 h, 16 h are the inputs of two norms and what they scale, in fp32; 10 h
    are five bf16 copies of normed inputs, one for each matrix; 8 h are queries, keys, values and what attention gives.
    The feed-forward part keeps four bf16 tensors. (Korthikanti et al. 2022 have 34 h in all, for a GPT with 16-bit
    residuals.) Scores of attention are not kept. With checkpointing only the fp32 input of each layer is kept, 4 t h,
    and one layer at a time in full.
    """
    passes, tokens = _PASSES[precision], geometry.micro_batch * length
    width = max(shape.hidden_size, shape.heads * shape.head_size)
    layer = passes.hidden * width + passes.intermediate * shape.intermediate_size
    if geometry.gradient_checkpointing:
        return tokens * (4 * shape.hidden_size * (shape.layers - 1) + layer)
    return tokens * layer * shape.layers


def _turn(shape: Shape, length: int, geometry: Geometry, precision: Precision, adapter_rank: int) -> int:
    """Copies and activations, and the larger of the loss and the first gradient.

    The loss: 14 bytes a logit: bf16, log-probabilities, and the gradients of both in fp32. The first gradient: 4 bytes
    a logit are left (bf16, and its gradient), and the gradient of the largest layer is there in bf16 and fp32; that of
    a tied output layer waits in fp32 for the embedding's. Neither has a gradient where only adapters are trained.
    """
    logits = geometry.micro_batch * length * shape.vocabulary
    gradient = 6 * _largest(shape) + (4 * shape.embedding if shape.tied else 0)
    if adapter_rank:
        gradient = 6 * shape.adapter(adapter_rank)
    left = _copies(shape, geometry, precision) + _activations(shape, length, geometry, precision)
    return left + max(_PASSES[precision].logit * logits, 4 * logits + gradient)


def _end(shape: Shape, geometry: Geometry, adapter_rank: int) -> float:
    """The gradients of the last layer, 6 bytes a parameter, or of a tied embedding: both and their sum, 12 bytes; and
    those that DeepSpeed holds a second time.

    Stage 0 sums buckets of up to 5e8 over the processes: 4 bytes each. Stages 2 and 3 hold the partition of the last
    micro-batch beside the sum, and make a flat one for the step: 4 P/n, unless gradients are offloaded.
    """
    trained = _trained(shape, adapter_rank)
    last = max(6 * _largest(shape), 12 * shape.embedding if shape.tied else 0)
    if adapter_rank:
        last = 6 * shape.adapter(adapter_rank)
    if geometry.zero_stage == 0 and geometry.processes > 1:
        return last + 4 * min(trained, 500_000_000)
    if (geometry.zero_stage or 0) >= 2 and "gradients" not in offloaded_parts(geometry):
        return last + 4 * trained / geometry.processes
    return last
