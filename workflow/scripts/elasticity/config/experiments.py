"""The experiments of a study: rebound and resistance."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from elasticity.config.base import Name, Opposed, OptionalSizes, Section, Side, Sizes, SizesFromZero, opposite
from elasticity.config.sampling import Sampling
from elasticity.config.training import Data, FineTuning


class Rebound(Section):
    """First side over sizes P, then the opposite side over sizes N (paper B)."""

    task: Name
    bases: Annotated[tuple[Name, ...], Field(min_length=1)]
    first_side: Opposed = "positive"
    first_sizes: Sizes
    second_sizes: SizesFromZero
    first_recipe: Name = Field("first", description="How the first side is trained: `first`, or one of `recipes`")
    second_recipe: Name = Field("second", description="How the second side is trained: `second`, or one of `recipes`")
    third_sizes: OptionalSizes = Field(
        (), description="Third stage: back on the first side from the largest N, over fresh examples; empty: none"
    )
    third_recipe: Name = Field("first", description="How the third stage is trained: `first`, or one of `recipes`")
    divergence: bool = Field(False, description="Measure the KL of every cell from the base model, too")
    printed: bool = Field(False, description="Compare divergences with the paper's table; needs `divergence`")
    compression: bool = Field(
        False, description="Measure compression rates of every cell; needs `compression` of the study"
    )
    usefulness: bool = Field(
        False, description="Measure the answers beside their score: length, distinctness, repetition, perplexity"
    )
    joint: bool = Field(
        False, description="Train on all three corpora at once, too, as the theorem has it; needs `compression`"
    )


def half(prompts: int) -> int:
    """How many of so many prompts the equal-entropy control keeps."""
    return (prompts + 1) // 2


class Resistance(Section):
    """Slices, their twin data sets, and forward against inverse fine-tuning (paper A)."""

    task: Name
    bases: Annotated[tuple[Name, ...], Field(min_length=1)]
    slices: FineTuning = Field(description="Sequential fine-tuning on D1, D2, D3")
    tuning: FineTuning = Field(description="Forward and inverse fine-tuning on the twin data sets")
    twin_sampling: Sampling = Field(description="Of the answers to the prompts of D4 (paper: 30, 0.9, 0.1)")
    question_sampling: Sampling = Field(description="Of the answers that cross-entropies are measured on")
    questions: Name | None = Field(None, description="The task whose prompts are the questions; null: this one's own")
    equal_entropy: bool = Field(
        False,
        description="For each pair, only the half of the prompts on which the two slices' own entropies agree best",
    )
    printed: Literal["instruction", "truthful", "safe"] | None = Field(
        None, description="The rows of the paper's table to compare with"
    )

    def tuned_on(self, twins: int) -> int:
        """How many of a twin data set's answers a slice is tuned on."""
        return half(twins) if self.equal_entropy else twins


@dataclass(frozen=True)
class SecondData:
    """A side of a task, which may go on with the first side behind the examples that this one saw."""

    task: Name
    side: Side
    continues: bool
    name: str
    """For readers, before the word examples."""

    @property
    def examples(self) -> str:
        """The pool to train on, below the results of the study."""
        return f"{self.task}/pools/{self.side}.parquet"

    def skip(self, first_size: int) -> int:
        """Examples that come first in the order of the seed and are passed over, after a first side of this size."""
        return first_size if self.continues else 0

    @property
    def held_out(self) -> str:
        """Held-out texts of the same kind; those of neutral data have no side."""
        return f"{self.task}/pools/held-out-{'pretraining' if self.side == 'neutral' else self.side}.parquet"


def second_data(recipe: FineTuning, task: Name, first_side: Opposed) -> SecondData:
    """Of a recipe for the second side, after a first side of a task."""
    data = recipe.data or Data(side="opposite")
    sides: dict[str, Side] = {"opposite": opposite(first_side), "same": first_side, "neutral": "neutral"}
    side, own = sides[data.side], data.task in (None, task)
    continues = own and data.side == "same"
    name = f"{'more ' if continues else ''}{side}{'' if own else f' {data.task}'}"
    return SecondData(data.task or task, side, continues, name)
