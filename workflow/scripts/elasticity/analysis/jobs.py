"""Job specs of the tables: exactly the values that a table depends on, as JSON on the command line of its script.

Snakemake makes a table again when its job spec changes, so a job spec holds nothing that does not change the numbers.
"""

from pydantic import Field, PositiveInt

from elasticity.config.base import Name, Section, Seeds, Sizes, SizesFromZero
from elasticity.config.calibration import Calibration
from elasticity.config.cells import TuningPath
from elasticity.config.claims import Claim
from elasticity.config.compression import Corpus, Reading
from elasticity.config.experiments import Rebound
from elasticity.config.measures import Kind, Outcome
from elasticity.config.token_tree import Texts, TokenTrees
from elasticity.config.training import FineTuning


class ArithmeticCodingTableJob(Section):
    """Make the table of packed texts; ``corpora`` holds base model, corpus and file of each set of texts."""

    corpora: tuple[tuple[str, Corpus, str], ...]
    reading: Reading


class ScoreModelTableJob(Section):
    """Make the table of a score model. A response counts as positive if its score is above ``threshold``."""

    threshold: float


class ReboundTableJob(Section):
    """Make the tables of a rebound experiment; the recipes give how many examples and updates P and N stand for."""

    experiment: Rebound
    seeds: Seeds
    alignment: FineTuning
    inverse: FineTuning


class ChoicesJob(Section):
    """Make the table of the choices of alignment runs, given by base model and seed, at these sizes P."""

    runs: tuple[tuple[str, int], ...]
    sizes: Sizes


class RealignmentTableJob(ReboundTableJob):
    """Make the tables of a realignment stage, whose recipe is ``realignment``."""

    realignment: FineTuning


class ResistanceTableJob(Section):
    """Make the tables of a resistance experiment from runs of these bases and seeds over these tuning paths."""

    runs: tuple[tuple[str, int], ...]
    paths: tuple[TuningPath, ...]


class MeasuresJob(Section):
    """Make the table of measures of an experiment; ``bases`` gives the order of its base models."""

    bases: tuple[str, ...]


class ChecksJob(Section):
    """Make the table of checks of an experiment, for each of its base models."""

    bases: tuple[str, ...]


class PublishedJob(Section):
    """Compare an experiment with the paper's numbers.

    ``task`` is the paper's task, None if its numbers are of a single task; ``models`` maps base models to its names.
    """

    task: str | None = None
    models: dict[str, str]


class SpringBase(Section):
    """A base model that is a checkpoint of ``model`` after ``examples`` pre-training sequences."""

    base: str
    model: str
    examples: int


class SpringRun(Section):
    """A run of the inverse stage, with the sizes N that an experiment takes from it."""

    base: str
    seed: int
    alignment_size: int
    inverse_sizes: tuple[int, ...]


class SpringsJob(ReboundTableJob):
    """Make the tables of the springs; the loss files are those of ``bases`` and of ``runs``, in their order."""

    bases: tuple[SpringBase, ...]
    runs: tuple[SpringRun, ...]


class PlannedClaim(Section):
    """A claim, the base models of each of its experiments, and the figure and table that show it.

    It is tested on at most ``max_seeds`` seeds, the first of the study; None: on all. ``figure`` and ``table`` are
    paths relative to the folder of results.
    """

    name: Name
    claim: Claim
    bases: dict[Name, tuple[Name, ...]]
    max_seeds: PositiveInt | None = None
    figure: str
    table: str

    @property
    def compares(self) -> str:
        """``claim.over``, but ``bases`` for a control with other base models, which shares no base responses."""
        others = self.claim.control and self.bases[self.claim.control] != self.bases[self.claim.experiment]
        return "bases" if others else self.claim.over


class VerdictsJob(Section):
    """Decide on claims, from tables of measures in the order of ``experiments`` and scores in the order of ``tasks``.

    ``rebound`` holds the experiments whose scores are also compared prompt by prompt. ``looks`` are the numbers of
    seeds after which tests are planned; none for a single test of all seeds.
    """

    claims: tuple[PlannedClaim, ...]
    looks: tuple[PositiveInt, ...] = ()
    seeds: Seeds
    experiments: tuple[Name, ...]
    tasks: tuple[Name, ...]
    rebound: dict[Name, ReboundTableJob]


class NoisePart(Section):
    """An experiment whose noise is estimated, with its base models.

    ``several_sizes`` says whether it has several P; ``controls`` are the experiments that claims subtract from it, with
    their base models.
    """

    experiment: Name
    kind: Kind
    bases: tuple[Name, ...]
    several_sizes: bool
    controls: dict[Name, tuple[Name, ...]]


class NoiseJob(Section):
    """Estimate the noise of measures between seeds, from tables of measures and scores in the order of their names.

    ``rebound`` holds the experiments whose scores are also compared prompt by prompt.
    """

    parts: tuple[NoisePart, ...]
    experiments: tuple[Name, ...]
    tasks: tuple[Name, ...]
    rebound: dict[Name, ReboundTableJob]


class Design(Section):
    """The design of a rebound experiment: its sizes P and N, its numbers of seeds and prompts, and base draws a seed.

    Leans need neither prompts nor draws: the error over texts is part of the noise between seeds.
    """

    alignment_sizes: Sizes
    inverse_sizes: SizesFromZero
    seeds: PositiveInt
    outcome: Outcome = "score"
    prompts: PositiveInt = 1
    base_draws: PositiveInt = 1


class CalibrationJob(Section):
    """Try the tests on simulated rebound experiments of ``designs``, by name, and on resistance experiments.

    ``claims`` are the claims of the study, whose tests are also tried together, each on at most ``max_seeds`` seeds if
    it is named there. ``looks`` are the numbers of seeds after which they are planned to be tested; none for a single
    test of all seeds.
    """

    settings: Calibration
    seeds: PositiveInt = Field(description="The number of seeds")
    designs: dict[str, Design]
    resistance: tuple[Name, ...] = Field(description="The resistance experiments, which have the same simulation")
    claims: dict[Name, Claim] = Field(default_factory=dict)
    max_seeds: dict[Name, PositiveInt] = Field(default_factory=dict)
    looks: tuple[PositiveInt, ...] = ()


class TokenTreeJob(Section):
    """Make the tables of token trees, from files of texts and of held-out texts in the order of the corpora.

    ``corpora`` are those of ``settings.unions``, named here because JSON does not keep the order of the unions.
    ``held_out`` are the corpora that have held-out texts, of which ``held_out_characters`` are read. ``tokenizer`` is
    the folder of the tokenizer, None for bytes.
    """

    settings: TokenTrees
    corpora: tuple[Texts, ...]
    held_out: tuple[Texts, ...]
    held_out_characters: PositiveInt
    tokenizer: str | None


class ModelRates(Section):
    """The texts of which token trees are made for each corpus of one file of compression rates of a base model."""

    corpora: dict[Corpus, Texts]


class CodeLengthsJob(Section):
    """Compare token trees with base models, whose files of compression rates are in the order of ``rates``."""

    rates: tuple[ModelRates, ...]
