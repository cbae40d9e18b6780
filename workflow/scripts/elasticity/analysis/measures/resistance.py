"""Measures of a resistance experiment: forward minus inverse fine-tuning, in nats per token.

A gap above 0 is what the paper calls resistance.
"""

from elasticity.analysis.measures.inputs import Directions, Floats
from elasticity.config.measures import measure

TUNED = ("closer", "distinct-twins")
"""The checks of measures that compare tuned slices with their targets."""


def _gap(directions: Directions, column: str) -> Floats:
    return directions.forward[column] - directions.inverse[column]


@measure("kl-gap", kind="resistance", unit="nats per token", title="KL, forward − inverse", needs=TUNED)
def kl_gap(directions: Directions) -> Floats:
    """The gap of the KL divergence of the tuned model from its target, over the whole vocabulary."""
    return _gap(directions, "kl_exact")


@measure(
    "entropy-gap", kind="resistance", unit="nats per token", title="H(p), forward − inverse", needs=("distinct-twins",)
)
def entropy_gap(directions: Directions) -> Floats:
    """The gap of the entropy of the target's own responses."""
    return _gap(directions, "own_entropy")


@measure("cross-entropy-gap", kind="resistance", unit="nats per token", title="H, forward − inverse", needs=TUNED)
def cross_entropy_gap(directions: Directions) -> Floats:
    """The gap of the held-out cross-entropy, the number of the first arXiv version."""
    return _gap(directions, "cross_entropy")


@measure("training-loss-gap", kind="resistance", unit="nats per token", title="loss, forward − inverse", needs=TUNED)
def training_loss_gap(directions: Directions) -> Floats:
    """The gap of the training loss, the number of the ACL version."""
    return _gap(directions, "training_loss")
