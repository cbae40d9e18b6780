"""Stages and runs: alignment stages of base models, inverse stages of their checkpoints, and how runs share sizes."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elasticity.config.base import Opposed, Seeds
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning
from elasticity.core.run_names import run_name, runs_in


@dataclass(frozen=True, order=True)
class AlignmentStage:
    """An alignment stage: a base model is fine-tuned on a side of a task by a recipe with a seed."""

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
    """An inverse stage: the model after P examples of an alignment stage is fine-tuned on other data by a recipe."""

    alignment: AlignmentStage
    alignment_size: int
    recipe: str

    @property
    def folder(self) -> str:
        """The folder of its files, below the results of the study."""
        return f"{self.alignment.folder}/P{self.alignment_size}/{self.recipe}"


RunSizes = tuple[int, ...]
"""The sizes of one training job in examples, ascending; the model has a checkpoint at each size."""


def inverse_stages(rebound: Rebound, seeds: Seeds) -> Iterator[tuple[InverseStage, RunSizes]]:
    """Yield the inverse stages of an experiment, each with the sizes at which the experiment measures it.

    ``seeds`` are those of the study.
    """
    for base, seed, size in itertools.product(rebound.bases, rebound.seeds_of(seeds), rebound.alignment_sizes):
        done = rebound.treatment(size, seed)
        alignment = AlignmentStage(rebound.task, base, rebound.alignment_side, rebound.alignment_recipe, done.seed)
        inverse = InverseStage(alignment, done.alignment_size, rebound.inverse_recipe)
        yield inverse, tuple(done.inverse_factor * size for size in rebound.inverse_sizes)


def run_folder(stage: str, run_sizes: RunSizes) -> str:
    """The folder of a run of a stage."""
    return f"{stage}/{run_name(run_sizes)}"


def runs_of(settings: FineTuning, sizes: RunSizes, stage: str) -> list[RunSizes]:
    """The sizes of each run of a stage, whose folder shows the runs that were or are being trained.

    Outputs would not do: Snakemake removes them when a job starts, and a process that reads the study afterwards, such
    as each SLURM job, must find the same runs.
    """
    found = divide(settings, sizes, runs_in(Path(stage)))
    for run_sizes in found:
        run_name(run_sizes)  # so that ``sizes_in`` knows the name
    return found


def is_exact(settings: FineTuning, sizes: RunSizes) -> bool:
    """Whether the checkpoint at size n of one run over all sizes equals the end of a run over n examples, bit for bit.

    This holds if the learning rate does not depend on the length of the run, no example is seen twice, and no batch
    spans a checkpoint; with ``last_batch: drop`` none does.
    """
    whole_batches = settings.last_batch == "drop" or all(size % settings.batch_size == 0 for size in sizes[:-1])
    return settings.schedule == "constant" and settings.epochs == 1 and whole_batches


def divide(settings: FineTuning, sizes: RunSizes, finished: Iterable[RunSizes] = ()) -> list[RunSizes]:
    """Divide sizes among training jobs.

    Checkpoints do not depend on the other sizes of a job, so finished runs keep their sizes and only new sizes are
    trained: adding a size to a study does not change its results.
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
