"""Measures of the lean of a rebound experiment: those of its scores, in bits per byte, and its return.

The lean of a model is the compression rate of held-out text of the opposite side minus that of the side of the
alignment stage. ``lean-start`` is how far the alignment stage moved the lean of the base model.
"""

from elasticity.analysis.measures import rebound
from elasticity.analysis.measures.inputs import Curves, Floats
from elasticity.config.measures import lean_measure, measure

SHARED = (
    "start",
    "end",
    "crossing",
    "crossing-start",
    "crossing-end",
    "reversal-ratio",
    "initial-rate",
    "two-phase",
    "matched-fall",
)
"""The measures of ``rebound`` that are also computed from leans; the others say nothing more of them."""


assert rebound, "its measures must be registered first"
for name in SHARED:
    lean_measure(name, __name__)


@measure(
    "lean-return",
    kind="rebound",
    outcome="lean",
    unit="bits per byte",
    title="lean, return: last N − N = 0",
    from_zero=True,
    needs=("lean-moved",),
)
def lean_return(curves: Curves) -> Floats:
    """L(P, N_max) − L(P, 0): how far the inverse stage moved the lean, below 0 where it goes back. Shape (...)."""
    return curves.scores[..., -1] - curves.scores[..., 0] if curves.from_zero else curves.missing
