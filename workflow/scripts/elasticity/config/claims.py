"""Claims: what a study expects to see, declared before it trains anything, and the digest that shows a change."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints

from elasticity.config.base import Name, Section
from elasticity.core.digests import digest

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


Kind = Literal["rebound", "resistance"]
"""Of experiments."""


Over = Literal["value", "sizes", "bases", "control"]


Role = Literal["confirmatory", "exploratory"]


Verdict = Literal["confirmed", "refuted", "undecided"]


Measure = Literal[
    "crossing",
    "crossing-start",
    "crossing-end",
    "start",
    "end",
    "reversal-ratio",
    "initial-rate",
    "two-phase",
    "area",
    "overshoot",
    "matched-fall",
    "kl-gap",
    "entropy-gap",
    "cross-entropy-gap",
    "training-loss-gap",
]


PARTS: Mapping[str, tuple[str, ...]] = {"crossing": ("crossing-start", "crossing-end")}
"""Of measures that are claimed only if each of their parts is."""


MEASURES: Mapping[str, tuple[Kind, str]] = {
    "crossing": ("rebound", "score"),
    "crossing-start": ("rebound", "score"),
    "crossing-end": ("rebound", "score"),
    "start": ("rebound", "score"),
    "end": ("rebound", "score"),
    "reversal-ratio": ("rebound", "log2(N / P)"),
    "initial-rate": ("rebound", "share of the fall per example"),
    "two-phase": ("rebound", "ΔBIC"),
    "area": ("rebound", "score"),
    "overshoot": ("rebound", "score"),
    "matched-fall": ("rebound", "score"),
    "kl-gap": ("resistance", "nats per token"),
    "entropy-gap": ("resistance", "nats per token"),
    "cross-entropy-gap": ("resistance", "nats per token"),
    "training-loss-gap": ("resistance", "nats per token"),
}
"""The kind of experiment that a measure is of, and its unit; the last four are forward minus inverse."""


UNITS = {measure: unit for measure, (_, unit) in MEASURES.items()}


BETWEEN_SIZES = ("crossing", "crossing-start", "crossing-end")
"""Measures that are differences between the largest and the smallest P already."""


FROM_ZERO = ("crossing", "crossing-start", "start", "initial-rate", "area", "matched-fall")
"""Measures that need the model that saw nothing of the inverse stage."""


PER_PROMPT = ("start", "end", "crossing-start", "crossing-end")
"""Measures that are differences between mean scores, so between the scores of each prompt, too."""


class Claim(Section):
    """An effect that is expected to be above or below a margin; the effect is one number for each seed."""

    hypothesis: Text = Field(description="In words, as the report shows it")
    experiment: Name = Field(description="A rebound or a resistance experiment of the study")
    measure: Measure = Field(
        description="What is measured of the experiment, oriented so that the alignment stage's direction is up"
    )
    over: Over = Field(
        "value",
        description="value: the measure itself; sizes: largest P - smallest P; bases: last base - first base; "
        "control: the experiment - `control`. What is left of P and bases is averaged",
    )
    control: Name | None = Field(
        None, description="The experiment that is subtracted: the same task and N, as many P and bases"
    )
    direction: Literal["greater", "less"] = Field(description="The effect is claimed to be above, or below, the margin")
    margin: float = Field(0.0, description="In the units of the measure")
    role: Role = Field(description="confirmatory: Holm over all of these claims; exploratory: Benjamini-Hochberg")
    seeds: PositiveInt = Field(description="With fewer the verdict is: undecided")
    exclusions: dict[int, Text] = Field(
        default_factory=dict, description="Seeds that are left out, with the reason: known before they are looked at"
    )

    @property
    def kind(self) -> Kind:
        """Of the experiments that the measure is of."""
        return MEASURES[self.measure][0]

    @property
    def unit(self) -> str:
        """Of the effect."""
        return UNITS[self.measure]

    @property
    def sign(self) -> int:
        """What an effect is multiplied with to be large where the claim holds."""
        return 1 if self.direction == "greater" else -1

    @property
    def parts(self) -> tuple[str, ...]:
        """The measures that the claim is about: all of them must be on the claimed side of the margin."""
        return PARTS.get(self.measure, (self.measure,))

    @property
    def is_per_prompt(self) -> bool:
        """Whether each prompt has such an effect of its own."""
        return set(self.parts) <= set(PER_PROMPT)

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments that the claim needs, its own first."""
        return (self.experiment, self.control) if self.control else (self.experiment,)


def claims_digest(claims: Mapping[Name, Claim]) -> str:
    """SHA-256 (hex) of what is claimed; their order and what is left at its default do not count."""
    return digest({name: claim.model_dump(mode="json", exclude_defaults=True) for name, claim in claims.items()})


def declared(claims: Mapping[Name, Claim], metrics: Iterable[Mapping[str, Any]]) -> dict[str, str | int]:
    """What training jobs say that was claimed when they ran: how many there are, and how many say another digest.

    ``metrics`` are those of the training jobs. One that says nothing ran under other claims, too.
    """
    own = claims_digest(claims)
    found = [job.get("claims") for job in metrics]
    return {"claims": own, "training_jobs": len(found), "under_other_claims": sum(other != own for other in found)}


def telling_p(claimed: float, against: float) -> tuple[float, str]:
    """The smaller of the p-values for and against a claim, NaN if neither may decide, and its side in words."""
    return (claimed, "") if math.isnan(against) or against >= claimed else (against, " against")
