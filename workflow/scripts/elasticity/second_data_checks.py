"""What the data of a second side must be, if they are not the opposite side of its own task."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from elasticity.experiments import Rebound
from elasticity.second_data import second_data
from elasticity.settings import FineTuning, Name

if TYPE_CHECKING:  # the study imports this module
    from elasticity.study import Task

KINDS = {True: "have prompts", False: "are texts without prompts"}


def mistakes(where: str, rebound: Rebound, recipe: FineTuning, tasks: "Mapping[Name, Task]") -> Iterator[str]:
    """Why an experiment's second side, by this recipe, cannot be trained on the data that the recipe names."""
    data = second_data(recipe, rebound.task, rebound.first_side)
    where, of = f"{where}.second_recipe", f"{rebound.second_recipe} has data of {data.task}"
    if data.task not in tasks:
        yield f"{where}: {of}, which is not declared; declared: {', '.join(sorted(tasks))}"
    own, other = tasks[rebound.task], tasks[data.task]
    if own.source.prompted != other.source.prompted:
        yield (
            f"{where}: {of}, which {KINDS[other.source.prompted]}, but those of {rebound.task} "
            f"{KINDS[own.source.prompted]}: name a task whose examples are of the same kind"
        )
    if own.template != other.template:
        yield (
            f"{where}: {of}, whose template is {other.template}, but that of {rebound.task} is {own.template}: give "
            "both tasks the same template"
        )


def misplaced(where: str, settings: FineTuning) -> Iterator[str]:
    """Data where only the examples of a stage's own pool can be trained on."""
    if settings.data:
        yield (
            f"{where}: has data, which is for the second sides of rebound experiments: leave it out, or take another "
            "recipe here"
        )
