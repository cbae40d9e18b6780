"""The elasticity card: one model, everything that was measured of it, and what made the numbers.

``workflow/schemas/card.schema.json`` is generated from these classes (``python -m elasticity.report.card_schema``
prints it). What was not measured is null, never a guess. An estimate is a mean over training seeds with the bounds of
its 95 % t interval.
"""

import json
from typing import Literal

from pydantic import Field

from elasticity.config.base import Section
from elasticity.config.claims import Verdict
from elasticity.config.experiments import Rebound, Resistance
from elasticity.config.models import Model


class CardJob(Section):
    """Write the card of a base model, which is a checkpoint of ``model``, from the experiments that use it."""

    study: str
    base: str
    model: Model
    seeds: tuple[int, ...]
    rebound: dict[str, Rebound]
    resistance: dict[str, Resistance]


class Estimate(Section):
    """A mean over seeds. If only a bound is known of some seeds, the mean takes their bounds and has no interval.

    With seeds censored above it is a lower bound of the mean, with seeds censored below an upper bound; with both there
    is no value.
    """

    value: float | None
    low: float | None
    high: float | None
    seeds: int = Field(ge=0, description="Seeds that have a number")
    censored_below: int = Field(0, ge=0)
    censored_above: int = Field(0, ge=0)


class AtSize(Section):
    """An estimate after so many examples of the alignment stage."""

    alignment_size: int
    estimate: Estimate


class Slope(Section):
    """Change of the bits per byte of a corpus for each unit of |D3| / |D2|, at the smallest perturbation."""

    corpus: str
    alignment_size: int
    inverse_size: int
    estimate: Estimate


class HeldOut(Section):
    """Compression of held-out text of a corpus after the alignment stage, before the inverse stage."""

    corpus: str
    alignment_size: int
    bits_per_byte: Estimate
    kl_to_base: Estimate = Field(description="In nats per token of the text")


class TextStatistics(Section):
    """Statistics of the responses after the largest sizes of both stages, which reveal broken text."""

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
    lean_start: list[AtSize] | None = Field(None, description="At N = 0, above the base, in bits per byte")
    lean_return: list[AtSize] | None = Field(None, description="At the largest N less at N = 0, in bits per byte")
    lean_crossing_start: Estimate | None = Field(None, description="Lean, largest P less smallest, at N = 0")
    lean_crossing_end: Estimate | None = Field(None, description="Lean, smallest P less largest, at the largest N")
    kl_to_base: list[AtSize] | None = Field(description="At N = 0, in nats per token of the model's responses")
    held_out: list[HeldOut] | None = Field(description="Compression, at N = 0")
    slopes: list[Slope] | None = Field(description="Gamma slopes of sequential training")
    text_statistics: TextStatistics | None


class ResistanceCard(Section):
    """A resistance experiment."""

    experiment: str
    task: str
    kl_gap: Estimate | None = Field(description="KL forward less inverse, mean of all pairs, nats per token")


class CompressionRate(Section):
    """Compression of held-out text by the base model."""

    task: str
    corpus: str
    bits_per_byte: float


class ClaimVerdict(Section):
    """A claim about experiments that use the model; it may rest on other models, too."""

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
    """The model of the card."""

    name: str
    kind: str
    parameters: int | None
    revision: str | None = Field(description="The revision of a model from the hub")
    settings_digest: str = Field(description="SHA-256 of the model's section of the study")


class StudyIdentity(Section):
    """The study that measured the model."""

    name: str
    digest: str
    seeds: tuple[int, ...]


class Cost(Section):
    """The cost of the training jobs on this model, and of its own training if the study did that."""

    training_jobs: int
    cpu_seconds: float = Field(description="Wall time times threads, on processors")
    gpu_seconds: float = Field(description="Wall time times GPUs")
    tokens: int
    tflop: float


class ClaimsRecord(Section):
    """Whether the claims were declared when models were trained."""

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
    """Everything that a study measured of a model."""

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
        """The card as JSON; equal cards give equal bytes."""
        return self.model_dump_json(indent=2) + "\n"


def schema() -> str:
    """The schema as text, as it stands in workflow/schemas/card.schema.json."""
    return json.dumps({"title": "Elasticity card"} | Card.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(schema(), end="")
