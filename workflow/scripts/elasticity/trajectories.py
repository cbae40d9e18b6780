"""What is trained after what: a first side from a base model, and second sides from its rungs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from elasticity.experiments import Rebound
from elasticity.settings import Opposed


@dataclass(frozen=True, order=True)
class Trajectory:
    """One first side: a base model, fine-tuned on a side of a task by a recipe with a seed."""

    task: str
    base: str
    first_side: Opposed
    recipe: str
    seed: int

    @property
    def folder(self) -> str:
        """Where its files lie, below the results of the study."""
        return f"{self.task}/rebound/{self.base}/{self.first_side}/{self.recipe}/seed{self.seed}"


@dataclass(frozen=True, order=True)
class SecondSide:
    """What follows a first side of P examples: fine-tuning on the other side, or a control's data, by a recipe."""

    trajectory: Trajectory
    first_size: int
    recipe: str

    @property
    def folder(self) -> str:
        """Where its files lie, below the results of the study."""
        return f"{self.trajectory.folder}/P{self.first_size}/{self.recipe}"


def second_sides(rebound: Rebound, seeds: Iterable[int]) -> Iterator[SecondSide]:
    """The second sides of an experiment."""
    for base in rebound.bases:
        for seed in seeds:
            trajectory = Trajectory(rebound.task, base, rebound.first_side, rebound.first_recipe, seed)
            yield from (SecondSide(trajectory, size, rebound.second_recipe) for size in rebound.first_sizes)
