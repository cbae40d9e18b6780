"""Job specs of evaluation: the values that each kind of job uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so a job spec holds nothing that does not change the result.
"""

from pydantic import PositiveInt

from elasticity.config.base import Section
from elasticity.config.cells import Cell, RealignmentCell, TuningPath
from elasticity.config.compression import Corpus, Reading
from elasticity.config.data import Template
from elasticity.config.sampling import EngineName, Sampling
from elasticity.config.score_models import ScoreModelSettings


class GenerateJob(Section):
    """Generate responses to the prompts with each checkpoint, which is named by the size of the last stage.

    A base model has no cell. ``weak`` is the checkpoint of the weak model of contrastive decoding.
    """

    base: str
    cell: Cell | RealignmentCell | None = None
    checkpoints: tuple[int, ...]
    sampling: Sampling
    engine: EngineName
    template: Template
    weak: int | None = None

    def row(self, checkpoint: int) -> dict[str, str | int | None]:
        """Return the columns that name the cell of a checkpoint."""
        return {"base": self.base, **(self.cell.row(self.base, checkpoint) if self.cell else {})}


class DivergenceJob(Section):
    """Measure the KL divergence of each checkpoint, named by the size of the inverse stage, from the base model."""

    base: str
    base_checkpoint: int
    cell: Cell
    checkpoints: tuple[int, ...]


class TextStatisticsJob(Section):
    """Measure all responses of a base model, which is this checkpoint, and of the models trained from it."""

    base_checkpoint: int


class CompressionJob(Section):
    """Measure compression rates of each checkpoint, named by the size of the inverse stage, and of the base model.

    ``corpora`` names the corpus of each file of texts. Without a cell the checkpoint is the base model itself.
    """

    base: str
    base_checkpoint: int
    cell: Cell | None = None
    checkpoints: tuple[int, ...]
    corpora: tuple[Corpus, ...]
    reading: Reading

    def row(self, checkpoint: int) -> dict[str, str | int | None]:
        """Return the columns that name the cell of a checkpoint."""
        return {"base": self.base, **(self.cell.row(self.base, checkpoint) if self.cell else {})}


class ArithmeticCodingJob(Section):
    """Compress ``texts`` texts of each corpus with an arithmetic coder and a base model, and restore them."""

    base: str
    base_checkpoint: int
    corpora: tuple[Corpus, ...]
    reading: Reading
    texts: PositiveInt


class GenerateSlicesJob(Section):
    """Generate responses with the slices 1, 2 and 3, which are these checkpoints."""

    checkpoints: tuple[int, int, int]
    twin_sampling: Sampling
    question_sampling: Sampling
    engine: EngineName
    twin_template: Template
    question_template: Template


class CrossEntropyJob(Section):
    """Measure tuned models (checkpoint ``tuned_checkpoint``, one for each path) and slices on the slices' responses."""

    slices: tuple[int, int, int]
    paths: tuple[TuningPath, ...]
    tuned_checkpoint: str
    max_length: PositiveInt


class ChoosingJob(Section):
    """Choose prompts on which the entropies of two slices agree, for each pair of the slices (checkpoints)."""

    slices: tuple[int, int, int]
    pairs: tuple[TuningPath, ...]
    max_length: PositiveInt


class ScoreModelJob(Section):
    """Load a score model, which must order its gold pair correctly, and use it or measure its quality."""

    score_model: ScoreModelSettings


class BitsPerByteJob(Section):
    """Measure base models (name, folder) on at most ``max_length`` tokens of each held-out text."""

    bases: tuple[tuple[str, str], ...]
    max_length: PositiveInt
