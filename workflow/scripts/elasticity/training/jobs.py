"""Job specs of training: the values that each kind of job uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so a job spec holds nothing that does not change the result.
"""

from elasticity.config.base import Opposed, Section
from elasticity.config.cells import Cell, TuningPath
from elasticity.config.models import Pretrained
from elasticity.config.sampling import Contrast
from elasticity.config.score_models import ScoreModelSettings
from elasticity.config.templates import Answers, Template
from elasticity.config.training import FineTuning
from elasticity.evaluation.jobs import CrossEntropies, Measurements, SliceResponses


class PretrainJob(Section):
    """Pre-train a model and save a checkpoint after each of the updates in ``checkpoints``."""

    model: Pretrained
    checkpoints: tuple[int, ...]


class Reward(Section):
    """The reward of drawn responses: their score, negated if the side to train on is the negative one."""

    score_model: ScoreModelSettings
    side: Opposed


class FineTuneJob(Section):
    """Fine-tune the checkpoint ``start`` and save a checkpoint after each of the sizes (numbers of examples).

    The first ``skip`` examples, in the order of the seed, are left out. With ``keep_optimizer`` each checkpoint also
    holds the state of its optimizer, for inverse stages with ``optimizer: carried``. ``responses_of_slice`` trains on
    the responses of that slice. With ``chosen_for``, a pair of slices, only responses to the prompts chosen for it are
    used. With ``contrast`` the extrapolated checkpoints also hold the weak model of contrastive decoding.
    """

    start: str
    settings: FineTuning
    sizes: tuple[int, ...]
    skip: int = 0
    keep_optimizer: bool = False
    seed: int
    template: Template
    answers: Answers = "last"
    responses_of_slice: int | None = None
    chosen_for: TuningPath | None = None
    reward: Reward | None = None
    contrast: Contrast | None = None


class InverseJob(Section):
    """Fine-tune by ``training`` and take measurements at each of its sizes; the weights of the ``saved`` are kept."""

    training: FineTuneJob
    measurements: Measurements
    saved: tuple[int, ...] = ()


class SlicesJob(Section):
    """Fine-tune the slices by ``training``, and draw the responses of each."""

    training: FineTuneJob
    responses: SliceResponses


class TuneJob(Section):
    """Tune a slice by ``training``, and measure its cross-entropies; the weights of the ``saved`` sizes are kept."""

    training: FineTuneJob
    cross_entropies: CrossEntropies
    saved: tuple[int, ...] = ()


class JointJob(Section):
    """Train a model from random weights on everything that a cell's model was trained on, shuffled together.

    ``alignment`` and ``inverse`` are the job specs of the sequential runs. The seed of the cell is that of the weights
    and of the order. ``checkpoint`` names the result, whose weights are kept if it is ``saved``.
    """

    base: str
    cell: Cell
    checkpoint: int
    model: Pretrained
    alignment: FineTuneJob
    inverse: FineTuneJob
    measurements: Measurements | None = None
    saved: tuple[int, ...] = ()
