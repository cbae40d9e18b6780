"""Ladders: which training sizes are checkpoints of one run, and which need a run of their own."""

from collections.abc import Iterable
from pathlib import Path

from elasticity.settings import FineTuning

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
