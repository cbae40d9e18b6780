"""What the jobs that make tables and figures are told, as ``jobs`` says it of those that train and measure."""

from elasticity.compression_settings import Corpus, Reading
from elasticity.experiments import Rebound
from elasticity.jobs import TuningPath
from elasticity.settings import FineTuning, Section, Seeds


class CodingJudgeJob(Section):
    """Make the table of what was packed: base model, corpus and file of each set of texts."""

    corpora: tuple[tuple[str, Corpus, str], ...]
    reading: Reading


class ResistanceFigureJob(Section):
    """Draw one base model of a resistance experiment."""

    base: str


class ReboundJudgeJob(Section):
    """Make the tables of a rebound experiment; ``second_side`` says how many updates examples make."""

    experiment: Rebound
    seeds: Seeds
    second_side: FineTuning


class ThirdJudgeJob(ReboundJudgeJob):
    """Make the tables of a third stage; ``third_stage`` says how many updates its examples make."""

    third_stage: FineTuning


class ReboundFigureJob(Section):
    """Draw a rebound experiment: what its examples are called, those of P and those of N, and the vertical axis."""

    experiment: Rebound
    sides: tuple[str, str]
    score: str


class ResistanceJudgeJob(Section):
    """Make the tables of a resistance experiment: the base and seed of each input, and its paths."""

    runs: tuple[tuple[str, int], ...]
    paths: tuple[TuningPath, ...]


class MeasuresJob(Section):
    """Measure an experiment, or draw its measures: its base models in order."""

    bases: tuple[str, ...]


class PrintedJob(Section):
    """Compare with the paper's numbers: of this task, if they are of several; by its name of each base."""

    task: str | None = None
    models: dict[str, str]
