"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from pydantic import PositiveInt

from elasticity.config.base import Section
from elasticity.config.cells import Cell, RealignmentCell, TuningPath
from elasticity.config.compression import Corpus, Reading
from elasticity.config.data import Template
from elasticity.config.sampling import EngineName, Sampling
from elasticity.config.score_models import ScoreModelSettings


class GenerateJob(Section):
    """Generate responses to the prompts with each checkpoint, named after the size of the last stage; a base model has no cell.

    ``weak`` is the checkpoint of the model that contrastive decoding sets the responses off against.
    """

    base: str
    cell: Cell | RealignmentCell | None = None
    checkpoints: tuple[int, ...]
    sampling: Sampling
    engine: EngineName
    template: Template
    weak: int | None = None

    def row(self, checkpoint: int) -> dict[str, str | int | None]:
        """The cell of a checkpoint."""
        return {"base": self.base, **(self.cell.row(self.base, checkpoint) if self.cell else {})}


class DivergenceJob(Section):
    """Measure how far each checkpoint, named after the inverse stage's size, is from the base model."""

    base: str
    base_checkpoint: int
    cell: Cell
    checkpoints: tuple[int, ...]


class TextStatisticsJob(Section):
    """Measure all responses of a base model, which is this checkpoint, and of what it became."""

    base_checkpoint: int


class CompressionJob(Section):
    """Measure compression rates of each checkpoint, named after the inverse stage's size, beside the base model.

    ``corpora`` tells what the files of texts are. Without a cell the checkpoints are the base model itself.
    """

    base: str
    base_checkpoint: int
    cell: Cell | None = None
    checkpoints: tuple[int, ...]
    corpora: tuple[Corpus, ...]
    reading: Reading

    def row(self, checkpoint: int) -> dict[str, str | int | None]:
        """The cell of a checkpoint."""
        return {"base": self.base, **(self.cell.row(self.base, checkpoint) if self.cell else {})}


class ArithmeticCodingJob(Section):
    """Pack so many texts of each corpus with an arithmetic coder and a base model, and restore them."""

    base: str
    base_checkpoint: int
    corpora: tuple[Corpus, ...]
    reading: Reading
    texts: PositiveInt


class GenerateSlicesJob(Section):
    """Response with the slices 1, 2, 3, which are these checkpoints."""

    checkpoints: tuple[int, int, int]
    twin_sampling: Sampling
    question_sampling: Sampling
    engine: EngineName
    twin_template: Template
    question_template: Template


class CrossEntropyJob(Section):
    """Measure tuned models (checkpoint ``tuned_checkpoint``, one a path) and the slices on the slices' responses."""

    slices: tuple[int, int, int]
    paths: tuple[TuningPath, ...]
    tuned_checkpoint: str
    max_length: PositiveInt


class ChoosingJob(Section):
    """Choose for these pairs of the slices, which are these checkpoints, prompts on which their entropies agree."""

    slices: tuple[int, int, int]
    pairs: tuple[TuningPath, ...]
    max_length: PositiveInt


class ScoreModelJob(Section):
    """Load a score model, which must put its gold pair in order, and use it or measure its quality."""

    score_model: ScoreModelSettings


class BitsPerByteJob(Section):
    """Measure base models (name, folder) on at most so many tokens of each held-out text."""

    bases: tuple[tuple[str, str], ...]
    max_length: PositiveInt
