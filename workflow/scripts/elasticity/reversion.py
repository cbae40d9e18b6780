"""How many examples of the second side bring a model back to its base."""

import math
from collections.abc import Sequence

THRESHOLD = 0.01
"""KL from the base model, in nats per token, below which the paper calls a model reverted."""


def reversion_size(sizes: Sequence[int], kls: Sequence[float], threshold: float = THRESHOLD) -> float | None:
    """The first number of examples at which the divergence from the base model is below the threshold.

    ``sizes`` ascend, and ``kls`` holds the divergence after each. The first size whose divergence is below is found on
    the grid; between it and the size before, log KL is taken as linear in the number of examples, as of an exponential
    decay. A later rise does not count. None if the divergence is never below: the size is censored at the last one.
    """
    below = next((i for i, kl in enumerate(kls) if kl < threshold), None)
    if below is None:
        return None
    if below == 0 or kls[below] <= 0:  # nothing before it, or a divergence of zero: no logarithm
        return float(sizes[below])
    high, low = math.log(kls[below - 1]), math.log(kls[below])
    share = (high - math.log(threshold)) / (high - low)
    return sizes[below - 1] + share * (sizes[below] - sizes[below - 1])
