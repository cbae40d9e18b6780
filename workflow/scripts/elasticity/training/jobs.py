"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from elasticity.config.base import Opposed, Section
from elasticity.config.cells import Cell, TuningPath
from elasticity.config.data import Template
from elasticity.config.models import Pretrained
from elasticity.config.score_models import ScoreModelSettings
from elasticity.config.training import FineTuning


class PretrainJob(Section):
    """Pre-train a model and keep it after each of these updates."""

    model: Pretrained
    checkpoints: tuple[int, ...]


class Reward(Section):
    """What PPO is rewarded by: the score, or minus the score where the side to train on is the negative one."""

    score_model: ScoreModelSettings
    side: Opposed


class FineTuneJob(Section):
    """Fine-tune the checkpoint ``start`` and keep the model after each of these sizes (examples).

    The first ``skip`` examples, in the order of the seed, are passed over. ``keep_optimizer``: beside the weights of
    each checkpoint lies the state of its optimizer, for inverse stages that carry it on. ``chosen_for`` are two slices: only
    responses to the prompts that were chosen for them.
    """

    start: str
    settings: FineTuning
    sizes: tuple[int, ...]
    skip: int = 0
    keep_optimizer: bool = False
    seed: int
    template: Template
    responses_of_slice: int | None = None
    chosen_for: TuningPath | None = None
    reward: Reward | None = None


class JointJob(Section):
    """Train a model from random weights on all that a cell's model was trained on, at once; ``checkpoint`` names it.

    ``alignment`` and ``inverse`` say what the sequential runs see; the seed of the cell is that of weights and order.
    """

    base: str
    cell: Cell
    checkpoint: int
    model: Pretrained
    alignment: FineTuneJob
    inverse: FineTuneJob
