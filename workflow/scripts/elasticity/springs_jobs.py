"""What the jobs of the springs are told: joint training, and the theorem set against compression rates."""

from elasticity.jobs import Cell, FineTuneJob
from elasticity.judging_jobs import ReboundJudgeJob
from elasticity.model_settings import Pretrained
from elasticity.settings import FineTuning, Section


class JointJob(Section):
    """Train a model from random weights on all that a cell's model was trained on, at once; ``rung`` names it.

    ``first`` and ``second`` say what the sequential runs see; the seed of the cell is that of weights and order.
    """

    base: str
    cell: Cell
    rung: int
    model: Pretrained
    first: FineTuneJob
    second: FineTuneJob


class SpringBase(Section):
    """A base model: the model that it is a checkpoint of, after so many pre-training sequences."""

    base: str
    model: str
    examples: int


class SpringRun(Section):
    """A run of the second side, and the sizes that an experiment takes from it."""

    base: str
    seed: int
    first_size: int
    second_sizes: tuple[int, ...]


class SpringsJob(ReboundJudgeJob):
    """Set the theorem against an experiment; ``bases`` and ``runs`` say whose losses are given, in their order."""

    first_side: FineTuning
    bases: tuple[SpringBase, ...]
    runs: tuple[SpringRun, ...]


class SpringsFigureJob(Section):
    """Draw an experiment with these base models."""

    bases: tuple[str, ...]
