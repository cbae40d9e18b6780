"""The experiments of a study: rebound and resistance."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from elasticity.config.base import Name, Opposed, OptionalSizes, Section, Side, Sizes, SizesFromZero, opposite
from elasticity.config.sampling import Sampling
from elasticity.config.training import Data, FineTuning


class Rebound(Section):
    """Alignment with P examples, then inverse fine-tuning with N (paper B)."""

    task: Name
    bases: Annotated[tuple[Name, ...], Field(min_length=1)]
    direction: Literal["standard", "reversed"] = Field(
        "standard",
        description="standard: align on positive examples, perturb with negative ones; reversed: the other way",
    )
    alignment_sizes: Sizes
    inverse_sizes: SizesFromZero
    alignment_recipe: Name = Field(
        "alignment", description="How the alignment stage is trained: `alignment`, or one of `recipes`"
    )
    inverse_recipe: Name = Field(
        "inverse", description="How the inverse stage is trained: `inverse`, or one of `recipes`"
    )
    realignment_sizes: OptionalSizes = Field(
        (),
        description="Examples of the realignment stage, which starts from the largest N; empty: there is none",
    )
    realignment_recipe: Name = Field(
        "alignment", description="How the realignment stage is trained: `alignment`, or one of `recipes`"
    )
    divergence: bool = Field(False, description="Measure the KL of every cell from the base model, too")
    published: bool = Field(False, description="Compare divergences with the paper's table; needs `divergence`")
    compression: bool = Field(
        False, description="Measure compression rates of every cell; needs `compression` of the study"
    )
    text_statistics: bool = Field(
        False, description="Measure the responses beside their score: length, distinctness, repetition, perplexity"
    )
    joint: bool = Field(
        False, description="Train on all three corpora at once, too, as the theorem has it; needs `compression`"
    )

    @property
    def alignment_side(self) -> Opposed:
        """The side that the alignment stage trains on."""
        return "positive" if self.direction == "standard" else "negative"


def half(prompts: int) -> int:
    """How many of so many prompts the equal-entropy control keeps."""
    return (prompts + 1) // 2


class Resistance(Section):
    """Slices, their twin data sets, and forward against inverse fine-tuning (paper A)."""

    task: Name
    bases: Annotated[tuple[Name, ...], Field(min_length=1)]
    slices: FineTuning = Field(description="Sequential fine-tuning on D1, D2, D3")
    tuning: FineTuning = Field(description="Forward and inverse fine-tuning on the twin data sets")
    twin_sampling: Sampling = Field(description="Of the responses to the prompts of D4 (paper: 30, 0.9, 0.1)")
    question_sampling: Sampling = Field(description="Of the responses that cross-entropies are measured on")
    questions: Name | None = Field(None, description="The task whose prompts are the questions; null: this one's own")
    equal_entropy: bool = Field(
        False,
        description="For each pair, only the half of the prompts on which the two slices' own entropies agree best",
    )
    published: Literal["instruction", "truthful", "safe"] | None = Field(
        None, description="The rows of the paper's table to compare with"
    )

    def tuned_on(self, twins: int) -> int:
        """How many of a twin data set's responses a slice is tuned on."""
        return half(twins) if self.equal_entropy else twins


@dataclass(frozen=True)
class InverseData:
    """A side of a task, which may go on with the alignment stage behind the examples that this one saw."""

    task: Name
    side: Side
    continues: bool
    name: str
    """For readers, before the word examples."""

    @property
    def examples(self) -> str:
        """The split to train on, below the results of the study."""
        return f"{self.task}/splits/{self.side}.parquet"

    def skip(self, alignment_size: int) -> int:
        """Examples that come first in the order of the seed and are passed over, after an alignment stage of this size."""
        return alignment_size if self.continues else 0

    @property
    def held_out(self) -> str:
        """Held-out texts of the same kind; those of neutral data have no side."""
        return f"{self.task}/splits/held-out-{'pretraining' if self.side == 'neutral' else self.side}.parquet"


def inverse_data(recipe: FineTuning, task: Name, alignment_side: Opposed) -> InverseData:
    """Of a recipe for the inverse stage, after an alignment stage of a task."""
    data = recipe.data or Data(side="opposite")
    sides: dict[str, Side] = {"opposite": opposite(alignment_side), "same": alignment_side, "neutral": "neutral"}
    side, own = sides[data.side], data.task in (None, task)
    continues = own and data.side == "same"
    name = f"{'more ' if continues else ''}{side}{'' if own else f' {data.task}'}"
    return InverseData(data.task or task, side, continues, name)
