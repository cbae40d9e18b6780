"""What the jobs that make tables and figures are told, as ``jobs`` says it of those that train and measure."""

from pydantic import Field, PositiveInt

from elasticity.config.base import Name, Section, Seeds, Sizes, SizesFromZero
from elasticity.config.calibration import Calibration
from elasticity.config.cells import TuningPath
from elasticity.config.claims import Claim
from elasticity.config.compression import Corpus, Reading
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning


class ArithmeticCodingTableJob(Section):
    """Make the table of what was packed: base model, corpus and file of each set of texts."""

    corpora: tuple[tuple[str, Corpus, str], ...]
    reading: Reading


class ResistanceFigureJob(Section):
    """Draw one base model of a resistance experiment."""

    base: str


class ReboundTableJob(Section):
    """Make the tables of a rebound experiment; ``inverse`` says how many updates examples make."""

    experiment: Rebound
    seeds: Seeds
    inverse: FineTuning


class RealignmentTableJob(ReboundTableJob):
    """Make the tables of a realignment stage; ``realignment`` says how many updates its examples make."""

    realignment: FineTuning


class ReboundFigureJob(Section):
    """Draw a rebound experiment: what its examples are called, those of P and those of N, and the vertical axis."""

    experiment: Rebound
    sides: tuple[str, str]
    score: str


class ResistanceTableJob(Section):
    """Make the tables of a resistance experiment: the base and seed of each input, and its paths."""

    runs: tuple[tuple[str, int], ...]
    paths: tuple[TuningPath, ...]


class MeasuresJob(Section):
    """Measure an experiment, or draw its measures: its base models in order."""

    bases: tuple[str, ...]


class PublishedJob(Section):
    """Compare with the paper's numbers: of this task, if they are of several; by its name of each base."""

    task: str | None = None
    models: dict[str, str]


class SpringBase(Section):
    """A base model: the model that it is a checkpoint of, after so many pre-training sequences."""

    base: str
    model: str
    examples: int


class SpringRun(Section):
    """A run of the inverse stage, and the sizes that an experiment takes from it."""

    base: str
    seed: int
    alignment_size: int
    inverse_sizes: tuple[int, ...]


class SpringsJob(ReboundTableJob):
    """Set the theorem against an experiment; ``bases`` and ``runs`` say whose losses are given, in their order."""

    alignment: FineTuning
    bases: tuple[SpringBase, ...]
    runs: tuple[SpringRun, ...]


class SpringsFigureJob(Section):
    """Draw an experiment with these base models."""

    bases: tuple[str, ...]


class PlannedClaim(Section):
    """A claim, the base models of each of its experiments, and what to look at: paths in the folder of the results."""

    name: Name
    claim: Claim
    bases: dict[Name, tuple[Name, ...]]
    figure: str
    table: str

    @property
    def compares(self) -> str:
        """``claim.over``, but ``bases`` for a control of other base models: they do not share the base's responses."""
        others = self.claim.control and self.bases[self.claim.control] != self.bases[self.claim.experiment]
        return "bases" if others else self.claim.over


class VerdictsJob(Section):
    """Judge claims; tables of measures come in the order of ``experiments``, scores in that of ``tasks``.

    ``rebound`` holds the experiments whose scores are looked at prompt by prompt, too.
    """

    claims: tuple[PlannedClaim, ...]
    seeds: Seeds
    experiments: tuple[Name, ...]
    tasks: tuple[Name, ...]
    rebound: dict[Name, ReboundTableJob]


class VerdictsFigureJob(Section):
    """Draw the verdicts: all that is drawn is in their tables."""


class Design(Section):
    """Of a rebound experiment: sizes P and N, and how many prompts."""

    alignment_sizes: Sizes
    inverse_sizes: SizesFromZero
    prompts: PositiveInt


class CalibrationJob(Section):
    """Tests that are tried on simulated experiments of these designs, by name, and of resistance."""

    settings: Calibration
    seeds: PositiveInt = Field(description="How many")
    designs: dict[str, Design]
    resistance: tuple[Name, ...] = Field(description="Experiments; they differ in nothing that is simulated")
