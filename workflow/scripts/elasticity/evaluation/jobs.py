"""Job specs of evaluation: the values that each kind of job uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so a job spec holds nothing that does not change the result.
"""

from pydantic import PositiveInt

from elasticity.config.base import Section
from elasticity.config.cells import Cell, RealignmentCell, TuningPath
from elasticity.config.compression import Corpus, Reading
from elasticity.config.sampling import EngineName, Sampling
from elasticity.config.score_models import ScoreModelSettings
from elasticity.config.templates import Template


class Responding(Section):
    """How responses to the prompts are generated.

    ``weak`` is the checkpoint of the alignment stage that holds the weak model of contrastive decoding. Each prompt has
    ``draws`` responses, which differ in the seed of the random numbers: see ``Sampling.of_draw``.
    """

    sampling: Sampling
    engine: EngineName
    template: Template
    weak: int | None = None
    draws: PositiveInt = 1


class CompressionReading(Section):
    """How compression rates are measured. ``corpora`` names the corpus of each file of texts."""

    corpora: tuple[Corpus, ...]
    reading: Reading


class LeanReading(Section):
    """How the lean is measured: on the first ``tokens`` of the response of each held-out example of both sides.

    ``block`` says which ``texts`` of each file are read, in units of as many; None: all of them.
    """

    template: Template
    tokens: PositiveInt
    texts: PositiveInt
    block: int | None = None


class Measurements(Section):
    """What is measured of the models of one run, or of a base model, which has no cell.

    Each model is named by its checkpoint, the size of the last stage. A table of what is not asked for is empty.
    """

    base: str
    base_checkpoint: int
    cell: Cell | RealignmentCell | None = None
    responses: Responding | None = None
    divergence: bool = False
    compression: CompressionReading | None = None
    lean: LeanReading | None = None
    text_statistics: bool = False

    def row(self, checkpoint: int) -> dict[str, str | int | None]:
        """Return the columns that name the cell of a checkpoint."""
        return {"base": self.base, **(self.cell.row(self.base, checkpoint) if self.cell else {})}


class MeasureJob(Section):
    """Measure these checkpoints of a run, or a base model, which is its only checkpoint."""

    checkpoints: tuple[int, ...]
    measurements: Measurements


class ArithmeticCodingJob(Section):
    """Compress ``texts`` texts of each corpus with an arithmetic coder and a base model, and restore them."""

    base: str
    base_checkpoint: int
    corpora: tuple[Corpus, ...]
    reading: Reading
    texts: PositiveInt


class SliceResponses(Section):
    """Responses of the slices 1, 2 and 3, which are these checkpoints: the twin data sets, and those to questions."""

    checkpoints: tuple[int, int, int]
    twin_sampling: Sampling
    question_sampling: Sampling
    twin_template: Template
    question_template: Template


class GenerateSlicesJob(Section):
    """Generate the responses of slices from their checkpoints, with an engine."""

    responses: SliceResponses
    engine: EngineName


class CrossEntropies(Section):
    """Measure a slice that was tuned along ``path`` on responses of the target slice, and the target itself.

    ``chosen``: only on responses to the prompts that are chosen for the path.
    """

    slices: tuple[int, int, int]
    path: TuningPath
    chosen: bool
    max_length: PositiveInt


class CrossEntropyJob(Section):
    """Measure a tuned slice from its checkpoint, which is named by the size of its tuning."""

    checkpoint: int
    cross_entropies: CrossEntropies


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
