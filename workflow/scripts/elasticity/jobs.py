"""What each kind of job is told: exactly the values that it uses, as JSON on its command line.

Snakemake reruns a job when this text changes, so nothing belongs here that does not change the result.
"""

from pydantic import PositiveInt

from elasticity.settings import EngineName, FineTuning, Sampling, Section, Seeds, Side, Stretches
from elasticity.study import Pretrained, Prompts, Rebound, Source, Study

TuningPath = tuple[int, int]
"""(k, l): slice k is tuned on the answers of slice l. Forward if k < l, inverse if k > l."""


class FetchJob(Section):
    """Read a source, clean it, and drop duplicates."""

    source: Source


class PoolJob(Section):
    """Take stretches of the texts in the order of their digests."""

    stretches: Stretches


class PromptJob(Section):
    """Cut the beginnings off texts."""

    prompts: Prompts


class TokenizerJob(Section):
    """Train a tokenizer."""

    vocabulary: PositiveInt


class PretrainJob(Section):
    """Pre-train a model and keep it after each of these updates."""

    model: Pretrained
    rungs: tuple[int, ...]


class FineTuneJob(Section):
    """Fine-tune the rung ``start`` and keep the model after each of these sizes (examples)."""

    start: str
    settings: FineTuning
    sizes: tuple[int, ...]
    seed: int
    answers_of_slice: int | None = None


class AnswerJob(Section):
    """Answer the prompts with each rung, named after the second side's size; the base's rung has no cell."""

    base: str
    first_side: Side | None = None
    seed: int | None = None
    first_size: int | None = None
    rungs: tuple[int, ...]
    sampling: Sampling
    engine: EngineName


class SliceAnswerJob(Section):
    """Answer with the slices 1, 2, 3, which are these rungs."""

    rungs: tuple[int, int, int]
    twin_sampling: Sampling
    question_sampling: Sampling
    engine: EngineName


class CrossEntropyJob(Section):
    """Measure tuned models (rung ``tuned_rung``, one a path) and the slices on the slices' answers."""

    slices: tuple[int, int, int]
    paths: tuple[TuningPath, ...]
    tuned_rung: str
    max_length: PositiveInt


class ResistanceFigureJob(Section):
    """Draw one base model of a resistance experiment."""

    base: str


class ReboundJudgeJob(Section):
    """Make the tables of a rebound experiment; ``second_side`` says how many updates examples make."""

    experiment: Rebound
    seeds: Seeds
    second_side: FineTuning


class ReboundFigureJob(Section):
    """Draw a rebound experiment; ``score`` is the name of the vertical axis."""

    experiment: Rebound
    score: str


class ResistanceJudgeJob(Section):
    """Make the tables of a resistance experiment: the base and seed of each input, and its paths."""

    runs: tuple[tuple[str, int], ...]
    paths: tuple[TuningPath, ...]


class ScoreJob(Section):
    """Score answers, after a check that the good text of a gold pair scores above the bad one."""

    good: str
    bad: str


class ProvenanceJob(Section):
    """Record what made the results of a study."""

    study: Study


class FolderJob(Section):
    """Import a model folder."""

    path: str


class HeldOutJob(Section):
    """Measure base models (name, folder) on at most so many tokens of each held-out text."""

    bases: tuple[tuple[str, str], ...]
    max_length: PositiveInt
