"""Memory of a training job on one GPU, term by term.

Weights are fp32 and passes run under bf16 autocast. P is the number of parameters, n the number of processes, t the
number of tokens in one forward pass, h the hidden size. The constants were measured (docs/decisions.md): those of
passes on a Llama of transformers, tensor by tensor; those of ZeRO on DeepSpeed 0.19.8.
"""

from dataclasses import dataclass

from elasticity.config.training import Precision
from elasticity.models.shapes import Shape
from elasticity.runtime.launch import BUCKET, Geometry


@dataclass(frozen=True)
class _Passes:
    """Bytes that a pass keeps, by precision.

    ``hidden``, ``intermediate``: in each layer, for each token and unit of that width. ``logit``: for each logit.
    ``copy``: for each weight, in autocast's cache.
    """

    hidden: int
    intermediate: int
    logit: int
    copy: int


_BF16 = _Passes(hidden=34, intermediate=8, logit=14, copy=2)


_PASSES: dict[Precision, _Passes] = {"auto": _BF16, "bf16": _BF16, "fp32": _Passes(40, 16, 16, 0)}


def training_bytes(
    shape: Shape, length: int, geometry: Geometry, precision: Precision = "auto", adapter_rank: int = 0
) -> int:
    """Peak memory of one GPU during an update on sequences of ``length`` tokens, in bytes. It is the sum of

    - the states that are not offloaded (see ``states``);
    - the larger of the memory between forward and backward pass (see ``_turn``) and at the end of the backward pass
      (see ``_end``);
    - with DeepSpeed, two buckets of gradients that are being reduced, 2 · 4 · 5e7;
    - in stage 3, two gathered layers (the largest, and a decoder layer), 4 bytes per parameter.
    """
    parts, offloaded = states(shape, geometry, adapter_rank), offloaded_parts(geometry)
    kept = sum(size for part, size in parts.items() if part not in offloaded)
    total = kept + max(_turn(shape, length, geometry, precision, adapter_rank), _end(shape, geometry, adapter_rank))
    if geometry.zero_stage is not None:
        total += 2 * 4 * min(trained_parameters(shape, adapter_rank), BUCKET)
    if geometry.zero_stage == 3:
        total += 4 * (shape.layer + _largest(shape))
    return round(total)


def beside_bytes(shape: Shape, draws: int, score_model: int) -> int:
    """Memory of each process for models other than the one in training, in bytes.

    An algorithm that samples ``draws`` tokens needs the fp32 weights of the reference model, and of the score model
    with ``score_model`` parameters; other algorithms (``draws`` is 0) need none.
    """
    return 4 * (shape.parameters + score_model) if draws else 0


def trained_parameters(shape: Shape, adapter_rank: int) -> int:
    """Number of trained parameters T: all of the model, or those of its low-rank adapters."""
    return shape.layers * shape.adapter(adapter_rank) if adapter_rank else shape.parameters


def states(shape: Shape, geometry: Geometry, adapter_rank: int = 0) -> dict[str, float]:
    """Memory of the states that one process keeps between updates, offloaded or not, in bytes.

    Without DeepSpeed: 4 P weights, 4 P gradients, 8 P for the two moments of Adam; 16 P in all. DeepSpeed keeps master
    weights of its own even if weights are fp32. Stage 0 divides nothing and needs no master weights. Stage 1 divides
    master weights and moments: 4 P + 4 P + 12 P/n. Stage 2 also divides gradients: 4 P + 16 P/n. Stage 3 also divides
    weights: 20 P/n.

    With low-rank adapters of T parameters the weights are 4 P + 4 T, and only T of them have gradients, moments and
    master weights: without DeepSpeed 4 P + 16 T; stage 1 4 P + 8 T + 12 T/n; stage 2 4 P + 4 T + 16 T/n.
    """
    stage, processes = geometry.zero_stage or 0, geometry.processes
    trained = trained_parameters(shape, adapter_rank)
    weights = shape.parameters + (trained if adapter_rank else 0)
    return {
        "weights": 4 * weights / (processes if stage == 3 else 1),
        "gradients": 4 * trained / (processes if stage >= 2 else 1),
        "optimizer": 12 * trained / processes if stage >= 1 else 8 * trained,
    }


def offloaded_parts(geometry: Geometry) -> set[str]:
    """The states that are in the memory of the node. Gradients are among them if they are divided (stages 2 and 3)."""
    if geometry.offload == "none":
        return set()
    if geometry.offload == "weights":
        return {"weights", "gradients", "optimizer"}
    return {"optimizer", "gradients"} if (geometry.zero_stage or 0) >= 2 else {"optimizer"}


def _largest(shape: Shape) -> int:
    """Parameters of the largest layer, where the output layer counts as a layer."""
    return max(shape.layer, shape.embedding)


def _copies(shape: Shape, geometry: Geometry, precision: Precision) -> int:
    """Memory of the bf16 copies of weights that autocast makes, in bytes: 2 P, because the backward pass needs them.

    With gradient checkpointing and in stage 3 there are only the copies of one layer: checkpointing makes them again in
    the backward pass (autocast's cache must be off), and the linear layers of stage 3 keep the weight instead.
    """
    one_layer = geometry.gradient_checkpointing or geometry.zero_stage == 3
    return _PASSES[precision].copy * (_largest(shape) if one_layer else shape.parameters)


def _activations(shape: Shape, length: int, geometry: Geometry, precision: Precision) -> int:
    """Memory of activations that are kept for the backward pass: t · (34 h + 8 · intermediate size) bytes per layer.

    Of the 34 h, 16 h are the inputs of the two norms and their normalised values in fp32, because the residual stream
    stays fp32; 10 h are five bf16 copies of normed inputs, one for each matrix; 8 h are queries, keys, values and the
    output of attention. The feed-forward part keeps four bf16 tensors. Attention scores are not kept. (Korthikanti et
    al. 2022 have 34 h in all, for a GPT with 16-bit residuals.) With gradient checkpointing, only the fp32 input of
    each layer is kept, 4 t h, and all activations of one layer at a time.
    """
    passes, tokens = _PASSES[precision], geometry.micro_batch * length
    width = max(shape.hidden_size, shape.heads * shape.head_size)
    layer = passes.hidden * width + passes.intermediate * shape.intermediate_size
    if geometry.gradient_checkpointing:
        return tokens * (4 * shape.hidden_size * (shape.layers - 1) + layer)
    return tokens * layer * shape.layers


def _turn(shape: Shape, length: int, geometry: Geometry, precision: Precision, adapter_rank: int) -> int:
    """Memory between the forward and the backward pass, in bytes: copies, activations, and the larger of two terms.

    One is the loss, 14 bytes per logit: bf16 logits, log-probabilities, and the gradients of both in fp32. The other is
    the first gradient: 4 bytes per logit are left (bf16 logits and their gradient), and there is the gradient of the
    largest layer in bf16 and fp32; that of a tied output layer is also kept in fp32 until the embedding's is added. If
    only adapters are trained, the output layer and the embedding have no gradient.
    """
    logits = geometry.micro_batch * length * shape.vocabulary
    gradient = 6 * _largest(shape) + (4 * shape.embedding if shape.tied else 0)
    if adapter_rank:
        gradient = 6 * shape.adapter(adapter_rank)
    left = _copies(shape, geometry, precision) + _activations(shape, length, geometry, precision)
    return left + max(_PASSES[precision].logit * logits, 4 * logits + gradient)


def _end(shape: Shape, geometry: Geometry, adapter_rank: int) -> float:
    """Memory of gradients at the end of the backward pass that the states do not contain, in bytes.

    The gradient of the last layer takes 6 bytes per parameter; that of a tied embedding 12, for its two parts and their
    sum. DeepSpeed needs more: stage 0 reduces buckets of up to 5e8 gradients, 4 bytes each. Stages 2 and 3 hold the
    partition of the last micro-batch in addition to the sum, and flatten it for the update: 4 P/n, unless gradients are
    offloaded.
    """
    trained = trained_parameters(shape, adapter_rank)
    last = max(6 * _largest(shape), 12 * shape.embedding if shape.tied else 0)
    if adapter_rank:
        last = 6 * shape.adapter(adapter_rank)
    if geometry.zero_stage == 0 and geometry.processes > 1:
        return last + 4 * min(trained, 500_000_000)
    if (geometry.zero_stage or 0) >= 2 and "gradients" not in offloaded_parts(geometry):
        return last + 4 * trained / geometry.processes
    return last
