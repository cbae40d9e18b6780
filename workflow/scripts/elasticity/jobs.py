"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from pydantic import PositiveInt
from typing_extensions import override

from elasticity.compression_settings import Corpus, Reading
from elasticity.data_settings import Beginnings, Repository, Revision, Source, Template
from elasticity.model_settings import HubModel, ImportedModel, Pretrained
from elasticity.pools import Take
from elasticity.score_settings import ScoreModelSettings
from elasticity.settings import EngineName, FineTuning, Opposed, Sampling, Section

TuningPath = tuple[int, int]
"""(k, l): slice k is tuned on the answers of slice l. Forward if k < l, inverse if k > l."""


class FetchJob(Section):
    """Read a source, clean it, and drop duplicates."""

    source: Source


class PoolJob(Section):
    """Fill the last of these pools; the others are filled before it."""

    takes: tuple[Take, ...]


class PromptJob(Section):
    """Cut the beginnings off texts."""

    prompts: Beginnings


class QuestionJob(Section):
    """Take the prompts of examples: nothing to say."""


class TokenizerJob(Section):
    """Train a tokenizer."""

    vocabulary: PositiveInt


class PretrainJob(Section):
    """Pre-train a model and keep it after each of these updates."""

    model: Pretrained
    rungs: tuple[int, ...]


class Reward(Section):
    """What PPO is rewarded by: the score, or minus the score where the side to train on is the negative one."""

    score_model: ScoreModelSettings
    side: Opposed


class FineTuneJob(Section):
    """Fine-tune the rung ``start`` and keep the model after each of these sizes (examples).

    The first ``skip`` examples, in the order of the seed, are passed over. ``keep_optimizer``: beside the weights of
    each rung lies the state of its optimizer, for second sides that carry it on. ``chosen_for`` are two slices: only
    answers to the prompts that were chosen for them.
    """

    start: str
    settings: FineTuning
    sizes: tuple[int, ...]
    skip: int = 0
    keep_optimizer: bool = False
    seed: int
    template: Template
    answers_of_slice: int | None = None
    chosen_for: TuningPath | None = None
    reward: Reward | None = None


class Cell(Section):
    """The cells of a rebound experiment that share a ladder: all but the second side's size, which names the rung."""

    first_side: Opposed
    first_recipe: str
    second_recipe: str
    seed: int
    first_size: int

    def row(self, base: str, size: int) -> dict[str, str | int]:
        """The first columns of a table of cells; ``size`` is that of the rung."""
        return {"base": base, **self.model_dump(), "second_size": size}


class ThirdCell(Cell):
    """The cells of a third stage that share a ladder: all but the third stage's size."""

    second_size: int
    third_recipe: str

    @override
    def row(self, base: str, size: int) -> dict[str, str | int]:
        return {"base": base, **self.model_dump(), "third_size": size}


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


class FetchScoreModelJob(Section):
    """Fetch a score model from the hub."""

    repo: Repository
    revision: Revision


class FetchModelJob(Section):
    """Fetch a model from the hub."""

    model: HubModel


class ImportJob(Section):
    """Import a model from a folder, the hub, or a GGUF file."""

    model: ImportedModel


class HeldOutJob(Section):
    """Measure base models (name, folder) on at most so many tokens of each held-out text."""

    bases: tuple[tuple[str, str], ...]
    max_length: PositiveInt
