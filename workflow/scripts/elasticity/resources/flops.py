"""Floating-point operations (FLOPs) of training, and the utilisation of GPUs."""

from elasticity.models.shapes import Shape


def training_flops_per_token(shape: Shape, length: int) -> float:
    """FLOPs of a forward and backward pass, per token of a sequence of ``length`` tokens.

    They are 6 N + 12 · layers · width · length, as in PaLM (Chowdhery et al. 2022, appendix B): two operations for each
    weight of a matrix in the forward pass and four in the backward pass; and 12 · width · length per layer for
    attention, where width is heads times head size. Each token is counted as attending to all others; causal kernels
    compute half of that. N excludes the embedding, which is a look-up, unless it is also the output layer. Activations
    that gradient checkpointing recomputes are not counted.
    """
    matrices = shape.parameters - (0 if shape.tied else shape.embedding)
    return 6.0 * matrices + 12.0 * shape.layers * shape.heads * shape.head_size * length


def utilisation(flops_per_token: float, tokens_per_s: float, devices: int, peak_tflops: float) -> float:
    """Share of the peak rate of all devices that is used at this rate of tokens.

    ``tokens_per_s`` is the rate of all devices together, ``peak_tflops`` the peak of one device in TFLOP/s.
    """
    return flops_per_token * tokens_per_s / (devices * peak_tflops * 1e12)
