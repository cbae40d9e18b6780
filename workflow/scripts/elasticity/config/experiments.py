"""The experiments of a study: rebound and resistance."""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, PositiveInt

from elasticity.config.base import Name, Opposed, OptionalSizes, Section, Seeds, Side, Sizes, SizesFromZero, opposite
from elasticity.config.sampling import Sampling
from elasticity.config.training import Data, FineTuning

OTHER_ORDER = 1_000_000
"""What is added to a training seed to get another order of the examples."""


PLANTED = "planted-"
"""How the names of experiments with a planted effect begin, so that every figure, table and verdict says it."""


class Treatment(NamedTuple):
    """How the models of a size P and a seed were trained; it differs from what they are called where it is planted."""

    alignment_size: int
    """Number of examples of the alignment stage."""
    seed: int
    """Training seed, which gives the order of the examples."""
    inverse_factor: int
    """Number of examples of the inverse stage for each of the N examples."""


class Rebound(Section):
    """A rebound experiment: an alignment stage with P examples, then an inverse stage with N examples.

    The inverse stage starts from the model after the alignment stage. A realignment stage on further examples of the
    alignment stage can follow. Every base model, seed, P and N gives one model, a cell of the experiment, which is
    scored on its responses to held-out prompts (Ji et al. 2025, rebound).
    """

    task: Name = Field(description="The task that models are aligned to and scored on")
    bases: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="Base models: names of `models`, or MODEL-stepN for a checkpoint of pre-training"
    )
    direction: Literal["standard", "reversed"] = Field(
        "standard",
        description="standard: the alignment stage is on positive examples and the inverse stage on negative ones; "
        "reversed: the other way round",
    )
    max_seeds: PositiveInt | None = Field(
        None,
        description="Use at most this many seeds, the first ones of the study. null: all. Controls can do with few",
    )
    alignment_sizes: Sizes = Field(description="Sizes P of the alignment stage in examples, ascending")
    inverse_sizes: SizesFromZero = Field(
        description="Sizes N of the inverse stage in examples, ascending. 0 is the model after the alignment stage"
    )
    alignment_recipe: Name = Field(
        "alignment", description="Recipe of the alignment stage: `alignment` or a name of `recipes`"
    )
    inverse_recipe: Name = Field("inverse", description="Recipe of the inverse stage: `inverse` or a name of `recipes`")
    realignment_sizes: OptionalSizes = Field(
        (),
        description="Sizes of the realignment stage in examples, ascending. It starts from the model with the "
        "largest N. Empty: no realignment stage",
    )
    realignment_recipe: Name = Field(
        "alignment", description="Recipe of the realignment stage: `alignment` or a name of `recipes`"
    )
    scores: bool = Field(
        True,
        description="Sample and score responses. false: only `lean` and `compression` are measured, which need neither "
        "samples nor a score model",
    )
    lean: bool = Field(
        False,
        description="Measure the lean of every cell in bits per byte: the compression rate of held-out text of the "
        "opposite side minus that of the side of the alignment stage. The texts are those of the split `lean`",
    )
    planted: Annotated[int, Field(ge=2)] | Literal["nothing"] | None = Field(
        None,
        description="A control with a known answer. A number k: the models with the largest P are trained on k N "
        "examples in the inverse stage, which plants a crossing. nothing: the models with the smallest P are trained "
        "as those with the largest P, on the same data in another order, so that sizes P do not differ. The name of "
        "the experiment must begin with planted-",
    )
    divergence: bool = Field(
        False, description="Measure the KL divergence of every cell from its base model on its own responses"
    )
    published: bool = Field(
        False,
        description="Compare divergences with the published table; needs `divergence: true` and 0 in `inverse_sizes`",
    )
    compression: bool = Field(
        False, description="Measure compression rates of every cell; needs the section `compression` of the study"
    )
    text_statistics: bool = Field(
        False, description="Measure length, distinctness, repetition and perplexity of the responses, too"
    )
    joint: bool = Field(
        False,
        description="Also train models on the texts of pre-training and of both stages at once, the setting of the "
        "elasticity theorem; needs `compression: true`",
    )

    @property
    def alignment_side(self) -> Opposed:
        """The side that the alignment stage is trained on."""
        return "positive" if self.direction == "standard" else "negative"

    def seeds_of(self, seeds: Seeds) -> Seeds:
        """The seeds of this experiment among those of its study."""
        return seeds[: self.max_seeds]

    def treatment(self, alignment_size: int, seed: int = 0) -> Treatment:
        """How the models of this size P and seed are trained."""
        smallest, largest = self.alignment_sizes[0], self.alignment_sizes[-1]
        if self.planted == "nothing" and alignment_size == smallest:
            return Treatment(largest, seed + OTHER_ORDER, 1)
        if isinstance(self.planted, int) and alignment_size == largest:
            return Treatment(alignment_size, seed, self.planted)
        return Treatment(alignment_size, seed, 1)

    @property
    def planted_effect(self) -> str:
        """What was planted, in words for figures and reports; empty if nothing was."""
        if self.planted is None:
            return ""
        largest, smallest = self.alignment_sizes[-1], self.alignment_sizes[0]
        if self.planted == "nothing":
            return f"planted: no effect, P = {smallest} is P = {largest} in another order"
        return f"planted: {self.planted} N examples after P = {largest}"


def half(prompts: int) -> int:
    """Return how many of ``prompts`` prompts the equal-entropy control keeps: half of them, rounded up."""
    return (prompts + 1) // 2


class Resistance(Section):
    """A resistance experiment: slices, their twin data sets, and forward against inverse fine-tuning.

    A base model is fine-tuned on D1, D2 and D3 in sequence, which gives slices 1 to 3. Each slice responds to the
    prompts of D4, which gives its twin data set. Forward fine-tuning tunes an earlier slice on the twin data set of a
    later one, inverse fine-tuning a later slice on that of an earlier one (Ji et al. 2025, resistance).
    """

    task: Name = Field(description="The task whose split `resistance` gives D1 to D4")
    bases: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(
        description="Base models: names of `models`, or MODEL-stepN for a checkpoint of pre-training"
    )
    slices: FineTuning = Field(
        description="Sequential fine-tuning on D1, D2, D3. Slices are checkpoints of one run: it needs a constant "
        "schedule, one epoch, and a batch_size that divides the split `resistance`"
    )
    tuning: FineTuning = Field(description="Forward and inverse fine-tuning on the twin data sets")
    twin_sampling: Sampling = Field(
        description="Sampling of the responses to the prompts of D4 (paper: top_k 30, top_p 0.9, temperature 0.1)"
    )
    question_sampling: Sampling = Field(description="Sampling of the responses that cross-entropies are measured on")
    questions: Name | None = Field(
        None, description="The task whose split `prompts` gives the questions for `question_sampling`. null: `task`"
    )
    equal_entropy: bool = Field(
        False,
        description="A control: for each pair of slices, keep only the half of the prompts on which the entropies of "
        "the two slices agree best",
    )
    published: Literal["instruction", "truthful", "safe"] | None = Field(
        None, description="Compare with these rows of the published table. null: with none"
    )

    def tuned_on(self, twins: int) -> int:
        """Return how many responses of a twin data set of size ``twins`` a slice is tuned on."""
        return half(twins) if self.equal_entropy else twins


@dataclass(frozen=True)
class InverseData:
    """The data of an inverse stage: one side of a task."""

    task: Name
    side: Side
    continues: bool
    """Whether these are the alignment stage's own data, so that the examples which it has seen must be skipped."""
    name: str
    """A description for figures and tables, such as ``more positive``; the word "examples" follows."""

    @property
    def examples(self) -> str:
        """The path of the split to train on, relative to the results of the study."""
        return f"{self.task}/splits/{self.side}.parquet"

    def skip(self, alignment_size: int) -> int:
        """Return how many examples, first in the order of the seed, an alignment stage of this size has seen."""
        return alignment_size if self.continues else 0

    @property
    def held_out(self) -> str:
        """The path of held-out texts of the same kind, relative to the results of the study."""
        return f"{self.task}/splits/held-out-{'pretraining' if self.side == 'neutral' else self.side}.parquet"


def inverse_data(recipe: FineTuning, task: Name, alignment_side: Opposed) -> InverseData:
    """Return the data of an inverse stage with this recipe, after an alignment stage on a side of ``task``."""
    data = recipe.data or Data(side="opposite")
    sides: dict[str, Side] = {"opposite": opposite(alignment_side), "same": alignment_side, "neutral": "neutral"}
    side, own = sides[data.side], data.task in (None, task)
    continues = own and data.side == "same"
    name = f"{'more ' if continues else ''}{side}{'' if own else f' {data.task}'}"
    return InverseData(data.task or task, side, continues, name)
