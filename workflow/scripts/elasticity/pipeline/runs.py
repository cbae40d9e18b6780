"""What is trained after what: an alignment stage from a base model, and inverse stages from its checkpoints."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elasticity.config.base import Opposed
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning


@dataclass(frozen=True, order=True)
class AlignmentStage:
    """One alignment stage: a base model, fine-tuned on a side of a task by a recipe with a seed."""

    task: str
    base: str
    alignment_side: Opposed
    recipe: str
    seed: int

    @property
    def folder(self) -> str:
        """The folder of its files, below the results of the study."""
        return f"{self.task}/rebound/{self.base}/{self.alignment_side}/{self.recipe}/seed{self.seed}"


@dataclass(frozen=True, order=True)
class InverseStage:
    """An inverse stage: after P examples of an alignment stage, fine-tuning on other data by a recipe."""

    alignment: AlignmentStage
    alignment_size: int
    recipe: str

    @property
    def folder(self) -> str:
        """The folder of its files, below the results of the study."""
        return f"{self.alignment.folder}/P{self.alignment_size}/{self.recipe}"


def inverse_stages(rebound: Rebound, seeds: Iterable[int]) -> Iterator[InverseStage]:
    """The inverse stages of an experiment."""
    for base in rebound.bases:
        for seed in seeds:
            alignment = AlignmentStage(rebound.task, base, rebound.alignment_side, rebound.alignment_recipe, seed)
            yield from (InverseStage(alignment, size, rebound.inverse_recipe) for size in rebound.alignment_sizes)


RunSizes = tuple[int, ...]
"""Sizes in examples, ascending; one training job, a checkpoint a size."""


def is_exact(settings: FineTuning, sizes: RunSizes) -> bool:
    """Whether the model after n examples of one run over all of them equals a run over n examples, bit for bit.

    It does if the learning rate does not depend on the length of the run, no example is seen twice, and no batch
    spans a checkpoint.
    """
    whole_batches = all(size % settings.batch_size == 0 for size in sizes[:-1])
    return settings.schedule == "constant" and settings.epochs == 1 and whole_batches


def divide(settings: FineTuning, sizes: RunSizes, finished: Iterable[RunSizes] = ()) -> list[RunSizes]:
    """Divide sizes among training jobs.

    Checkpoints do not depend on which sizes share a job, so a finished run keeps its sizes and only new ones are
    trained: adding a size to a study leaves the results that are there alone.
    """
    jobs: list[RunSizes] = []
    taken: set[int] = set()
    for run_sizes in sorted(finished):
        wanted, known = set(run_sizes) & set(sizes), set(run_sizes) & taken
        if wanted and not known and (len(run_sizes) == 1 or is_exact(settings, run_sizes)):
            jobs.append(run_sizes)
            taken |= set(run_sizes)
    new = tuple(sorted(set(sizes) - taken))
    if new and is_exact(settings, new):
        jobs.append(new)
    else:
        jobs += [(size,) for size in new]
    return sorted(jobs)


def name(run_sizes: RunSizes) -> str:
    """A run as a folder name: ``25-100-400``."""
    return "-".join(map(str, run_sizes))


def parse(folder: str) -> RunSizes:
    """The run of a folder name."""
    return tuple(int(size) for size in folder.split("-"))


def finished(folder: str) -> list[RunSizes]:
    """The runs that were trained, or are being trained: a folder of theirs is there.

    Not their outputs: Snakemake removes those when a job starts, and a process that reads the study then (each SLURM
    job does) must see the same runs.
    """
    return [parse(path.name) for path in Path(folder).glob("[0-9]*") if path.is_dir()]
