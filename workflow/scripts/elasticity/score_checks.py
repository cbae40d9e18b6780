"""What a rebound experiment needs to be scored, or to do without."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from elasticity.experiments import Rebound
from elasticity.settings import FineTuning

if TYPE_CHECKING:  # the study imports this module
    from elasticity.study import Task


def score_mistakes(where: str, rebound: "Rebound", task: "Task", second_side: FineTuning) -> Iterator[str]:
    """Answers are drawn only to be scored; a rebound without a score model measures compression rates alone."""
    if task.score_model:
        if task.pools.prompts == 0:
            yield f"{where} needs texts in tasks.{rebound.task}.pools.prompts, which is 0"
        return
    missing = f"tasks.{rebound.task}.score_model, which is not given"
    if not rebound.compression:
        yield f"{where} needs {missing}; without one it can measure compression rates alone (compression: true)"
    if rebound.divergence:
        yield f"{where}.divergence is measured on answers that are scored, too: it needs {missing}"
    if rebound.third_sizes:
        yield f"{where}.third_sizes: the way back is measured by scores: it needs {missing}"
    if rebound.usefulness:
        yield f"{where}.usefulness is that of answers that are scored: it needs {missing}"
    if second_side.draws:
        yield f"{where}.second_recipe: {second_side.algorithm.kind} is rewarded by {missing}"
