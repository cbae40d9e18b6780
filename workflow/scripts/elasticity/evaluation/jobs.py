"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from pydantic import PositiveInt

from elasticity.config.base import Section
from elasticity.config.cells import Cell, ThirdCell, TuningPath
from elasticity.config.compression import Corpus, Reading
from elasticity.config.data import Template
from elasticity.config.sampling import EngineName, Sampling
from elasticity.config.score_models import ScoreModelSettings


class AnswerJob(Section):
    """Answer the prompts with each rung, named after the size of the last stage; a base model has no cell.

    ``weak`` is the rung of the model that contrastive decoding sets the answers off against.
    """

    base: str
    cell: Cell | ThirdCell | None = None
    rungs: tuple[int, ...]
    sampling: Sampling
    engine: EngineName
    template: Template
    weak: int | None = None

    def row(self, rung: int) -> dict[str, str | int | None]:
        """The cell of a rung."""
        return {"base": self.base, **(self.cell.row(self.base, rung) if self.cell else {})}


class DivergenceJob(Section):
    """Measure how far each rung, named after the second side's size, is from the base model."""

    base: str
    base_rung: int
    cell: Cell
    rungs: tuple[int, ...]


class UsefulnessJob(Section):
    """Measure all answers of a base model, which is this rung, and of what it became."""

    base_rung: int


class CompressionJob(Section):
    """Measure compression rates of each rung, named after the second side's size, beside the base model.

    ``corpora`` tells what the files of texts are. Without a cell the rungs are the base model itself.
    """

    base: str
    base_rung: int
    cell: Cell | None = None
    rungs: tuple[int, ...]
    corpora: tuple[Corpus, ...]
    reading: Reading

    def row(self, rung: int) -> dict[str, str | int | None]:
        """The cell of a rung."""
        return {"base": self.base, **(self.cell.row(self.base, rung) if self.cell else {})}


class CodingJob(Section):
    """Pack so many texts of each corpus with an arithmetic coder and a base model, and restore them."""

    base: str
    base_rung: int
    corpora: tuple[Corpus, ...]
    reading: Reading
    texts: PositiveInt


class SliceAnswerJob(Section):
    """Answer with the slices 1, 2, 3, which are these rungs."""

    rungs: tuple[int, int, int]
    twin_sampling: Sampling
    question_sampling: Sampling
    engine: EngineName
    twin_template: Template
    question_template: Template


class CrossEntropyJob(Section):
    """Measure tuned models (rung ``tuned_rung``, one a path) and the slices on the slices' answers."""

    slices: tuple[int, int, int]
    paths: tuple[TuningPath, ...]
    tuned_rung: str
    max_length: PositiveInt


class ChoosingJob(Section):
    """Choose for these pairs of the slices, which are these rungs, prompts on which their entropies agree."""

    slices: tuple[int, int, int]
    pairs: tuple[TuningPath, ...]
    max_length: PositiveInt


class ScoreModelJob(Section):
    """Load a score model, which must put its gold pair in order, and use it or measure its quality."""

    score_model: ScoreModelSettings


class HeldOutJob(Section):
    """Measure base models (name, folder) on at most so many tokens of each held-out text."""

    bases: tuple[tuple[str, str], ...]
    max_length: PositiveInt
