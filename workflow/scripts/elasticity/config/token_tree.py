"""Settings of the token trees of the study's own texts."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt, StringConstraints

from elasticity.config.base import Ascending, Name, Section

Texts = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*/[a-z0-9-]+$")]
"""The texts of a split of a task, as TASK/SPLIT."""


def task_and_split(texts: Texts) -> tuple[Name, str]:
    """Return the task and the split."""
    task, _, split = texts.partition("/")
    return task, split


def held_out(texts: Texts) -> Texts:
    """Return the held-out texts of the same kind: of both sides unless the split holds a single side that has some."""
    task, split = task_and_split(texts)
    return f"{task}/held-out-{split if split in ('positive', 'negative') else 'pretraining'}"


class Union(Section):
    """Three corpora that are compressed jointly (Ji et al. 2025), each as TASK/SPLIT, such as reviews/positive."""

    pretraining: Texts = Field(description="D1, the corpus of pre-training")
    alignment: Texts = Field(description="D2, the corpus of the alignment stage")
    perturbation: Texts = Field(description="D3, the corpus of the inverse stage")

    @property
    def corpora(self) -> tuple[Texts, Texts, Texts]:
        """D1, D2 and D3."""
        return self.pretraining, self.alignment, self.perturbation


class TokenTrees(Section):
    """Token trees of the study's own texts (Ji et al. 2025), which need no language model.

    Tokens are bits, as in the paper: those of UTF-8 bytes, or of the token ids of a model. Texts are cut into blocks of
    d − 1 bits, the leaves of a tree that is pruned to depth d.
    """

    unions: Annotated[dict[Name, Union], Field(min_length=1)] = Field(
        description="Corpora that are compressed jointly, by name"
    )
    tokenizer: Name | None = Field(
        None, description="A model whose token ids are written in bits. null: the bits of UTF-8 bytes"
    )
    depths: Annotated[tuple[Annotated[int, Field(ge=2, le=65)], ...], Field(min_length=1), Ascending] = Field(
        (9, 13, 17, 25), description="Depths d to which trees are pruned. Blocks have d − 1 bits: 9 is one byte"
    )
    characters: PositiveInt = Field(
        300, description="Number of characters that are read of each text, from its beginning"
    )
    ratios: Annotated[tuple[Annotated[float, Field(gt=1, le=10_000)], ...], Field(min_length=1)] = Field(
        (10.0, 100.0), description="Values of k = |D1| / |D2| at which the theorem's signs are computed"
    )
    perturbations: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = Field(
        (0.0, 0.1), description="Values of l = |D3| / |D2|. 0 is the limit"
    )
    resamples: int = Field(100, ge=20, description="Resamples for intervals, standard errors and goodness of fit")

    @property
    def corpora(self) -> tuple[Texts, ...]:
        """The corpora of all unions, each once."""
        return tuple(dict.fromkeys(corpus for union in self.unions.values() for corpus in union.corpora))
