"""The elasticity card: one model, what was measured of it, and what made the numbers.

``workflow/schemas/card.schema.json`` is generated from these classes (``python -m elasticity.card`` prints it). What
was not measured is null, never a guess. An estimate is a mean over training seeds with the bounds of its 95 % t
interval.
"""

import json
from typing import Literal

from pydantic import Field

from elasticity.config.base import Section
from elasticity.config.claims import Verdict
from elasticity.config.experiments import Rebound, Resistance
from elasticity.config.models import Model


class CardJob(Section):
    """Write the card of a base model, which is a checkpoint of ``model``; the experiments are those that it is in."""

    study: str
    base: str
    model: Model
    seeds: tuple[int, ...]
    rebound: dict[str, Rebound]
    resistance: dict[str, Resistance]


class Estimate(Section):
    """A mean over seeds. Of a censored seed only a bound is known: the mean then takes the bound, without interval.

    With seeds censored above, it is a lower bound of the mean, with such below an upper one; with both there is none.
    """

    value: float | None
    low: float | None
    high: float | None
    seeds: int = Field(ge=0, description="Seeds that have a number")
    censored_below: int = Field(0, ge=0)
    censored_above: int = Field(0, ge=0)


class AtSize(Section):
    """After so many examples of the alignment stage."""

    alignment_size: int
    estimate: Estimate


class Slope(Section):
    """Change of the bits per byte of a corpus for each unit of |D3| / |D2|, at the smallest perturbation."""

    corpus: str
    alignment_size: int
    inverse_size: int
    estimate: Estimate


class HeldOut(Section):
    """On held-out text of a corpus, after so many examples of the alignment stage and none of the second."""

    corpus: str
    alignment_size: int
    bits_per_byte: Estimate
    kl_to_base: Estimate = Field(description="In nats per token of the text")


class Usefulness(Section):
    """Of the responses after the largest sizes of both sides: whether a score was bought with broken text."""

    alignment_size: int
    inverse_size: int
    length: Estimate
    distinct_2: Estimate
    repetition: Estimate
    perplexity_ratio: Estimate = Field(description="Under the base model, over that of its own responses")
    warning: str | None


class ReboundCard(Section):
    """A rebound experiment."""

    experiment: str
    task: str
    alignment_side: str
    alignment_sizes: tuple[int, ...]
    inverse_sizes: tuple[int, ...]
    alignment_recipe: str
    inverse_recipe: str
    reversal_ratio: list[AtSize] | None = Field(description="log2 of N_base(P) / P")
    crossing_start: Estimate | None = Field(description="Score, largest P less smallest, at N = 0")
    crossing_end: Estimate | None = Field(description="Score, smallest P less largest, at the largest N")
    kl_to_base: list[AtSize] | None = Field(description="At N = 0, in nats per token of the model's responses")
    held_out: list[HeldOut] | None = Field(description="Compression, at N = 0")
    slopes: list[Slope] | None = Field(description="Gamma slopes of sequential training")
    text_statistics: Usefulness | None


class ResistanceCard(Section):
    """A resistance experiment."""

    experiment: str
    task: str
    kl_gap: Estimate | None = Field(description="KL forward less inverse, mean of all pairs, nats per token")


class CompressionRate(Section):
    """Of the base model, on held-out text."""

    task: str
    corpus: str
    bits_per_byte: float


class ClaimVerdict(Section):
    """A claim about experiments that the model is in; it may rest on other models, too."""

    claim: str
    hypothesis: str
    experiment: str
    measure: str
    over: str
    role: str
    effect: float | None
    low: float | None
    high: float | None
    seeds: int
    p_adjusted: float | None
    p_against_adjusted: float | None
    verdict: Verdict
    reason: str


class ModelIdentity(Section):
    """Which model this is."""

    name: str
    kind: str
    parameters: int | None
    revision: str | None = Field(description="Of a model from the hub")
    settings_digest: str = Field(description="SHA-256 of the model's section of the study")


class StudyIdentity(Section):
    """Which study measured it."""

    name: str
    digest: str
    seeds: tuple[int, ...]


class Cost(Section):
    """Of the training jobs on this model, and of its own training where that was done here."""

    training_jobs: int
    cpu_seconds: float = Field(description="Wall time times threads, on processors")
    gpu_seconds: float = Field(description="Wall time times GPUs")
    tokens: int
    tflop: float


class ClaimsRecord(Section):
    """Whether the claims were there when models were trained."""

    digest: str
    training_jobs: int
    under_other_claims: int


class Provenance(Section):
    """What made the numbers."""

    commit: str | None
    changed: bool | None
    python: str
    packages: dict[str, str]
    hardware: dict[str, str | int | None]
    claims: ClaimsRecord | None


class Card(Section):
    """The card."""

    version: Literal[1]
    model: ModelIdentity
    study: StudyIdentity
    rebound: list[ReboundCard] | None
    resistance: list[ResistanceCard] | None
    compression: list[CompressionRate] | None
    verdicts: list[ClaimVerdict] | None
    controls: list[ClaimVerdict] | None = Field(description="Verdicts on claims that compare with a control")
    cost: Cost
    provenance: Provenance

    def text(self) -> str:
        """As it is written; equal cards give equal bytes."""
        return self.model_dump_json(indent=2) + "\n"


def schema() -> str:
    """The schema as text, as it stands in workflow/schemas/card.schema.json."""
    return json.dumps({"title": "Elasticity card"} | Card.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
