"""What is trained after what: a first side from a base model, and second sides from its rungs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elasticity.config.base import Opposed
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning


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


Ladder = tuple[int, ...]
"""Sizes in examples, ascending; one training job, a rung a size."""


def is_exact(settings: FineTuning, sizes: Ladder) -> bool:
    """Whether the model after n examples of one run over all of them equals a run over n examples, bit for bit.

    It does if the learning rate does not depend on the length of the run, no example is seen twice, and no batch
    spans a rung.
    """
    whole_batches = all(size % settings.batch_size == 0 for size in sizes[:-1])
    return settings.schedule == "constant" and settings.epochs == 1 and whole_batches


def ladders(settings: FineTuning, sizes: Ladder, finished: Iterable[Ladder] = ()) -> list[Ladder]:
    """Divide sizes among training jobs.

    Rungs do not depend on which sizes share a job, so a finished ladder keeps its sizes and only new ones are
    trained: adding a size to a study leaves the results that are there alone.
    """
    jobs: list[Ladder] = []
    taken: set[int] = set()
    for ladder in sorted(finished):
        wanted, known = set(ladder) & set(sizes), set(ladder) & taken
        if wanted and not known and (len(ladder) == 1 or is_exact(settings, ladder)):
            jobs.append(ladder)
            taken |= set(ladder)
    new = tuple(sorted(set(sizes) - taken))
    if new and is_exact(settings, new):
        jobs.append(new)
    else:
        jobs += [(size,) for size in new]
    return sorted(jobs)


def name(ladder: Ladder) -> str:
    """A ladder as a folder name: ``25-100-400``."""
    return "-".join(map(str, ladder))


def parse(folder: str) -> Ladder:
    """The ladder of a folder name."""
    return tuple(int(size) for size in folder.split("-"))


def finished(folder: str) -> list[Ladder]:
    """The ladders that were trained, or are being trained: a folder of theirs is there.

    Not their outputs: Snakemake removes those when a job starts, and a process that reads the study then (each SLURM
    job does) must see the same ladders.
    """
    return [parse(path.name) for path in Path(folder).glob("[0-9]*") if path.is_dir()]
