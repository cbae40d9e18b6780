"""Floating-point operations of training, and the share of a GPU's peak that a rate of tokens makes."""

from elasticity.models.shapes import Shape


def training_flops_per_token(shape: Shape, length: int) -> float:
    """FLOPs of one token of a sequence of so many, forward and backward: 6 N + 12 · layers · width · length.

    The convention of PaLM (Chowdhery et al. 2022, appendix B): two operations for each weight of a matrix in the
    forward pass, four in the backward pass; and 12 · width · length for the scores of attention and the values that
    they weigh, where width is heads times head size. Each token is counted as attending to all others: causal kernels
    do half of that. N leaves out the embedding, a look-up, unless it is the output layer, too. What gradient
    checkpointing computes again is not counted.
    """
    matrices = shape.parameters - (0 if shape.tied else shape.embedding)
    return 6.0 * matrices + 12.0 * shape.layers * shape.heads * shape.head_size * length


def utilisation(flops_per_token: float, tokens_per_s: float, devices: int, peak_tflops: float) -> float:
    """The share of the peak of so many devices (each in TFLOP/s) that these tokens per second, of all of them, make."""
    return flops_per_token * tokens_per_s / (devices * peak_tflops * 1e12)
