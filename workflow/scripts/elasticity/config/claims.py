"""Claims that a study declares before it trains anything, and the digest that reveals later changes."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints

from elasticity.config.base import Name, Section
from elasticity.core.digests import digest

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


Kind = Literal["rebound", "resistance"]
"""The kinds of experiments."""


Over = Literal["value", "sizes", "bases", "control"]
"""What the effect of a claim compares; see ``Claim.over``."""


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
"""Measures that consist of several: a claim about one holds only if it holds for each part."""


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
"""The kind of experiment that each measure is computed from, and its unit. The last four are forward minus inverse."""


UNITS = {measure: unit for measure, (_, unit) in MEASURES.items()}
"""The unit of each measure."""


BETWEEN_SIZES = ("crossing", "crossing-start", "crossing-end")
"""Measures that are themselves differences between the largest and the smallest P."""


FROM_ZERO = ("crossing", "crossing-start", "start", "initial-rate", "area", "matched-fall")
"""Measures that need N = 0, the model before the inverse stage."""


PER_PROMPT = ("start", "end", "crossing-start", "crossing-end")
"""Measures that are linear in the scores, so that each prompt has a value of its own."""


class Claim(Section):
    """A claim that an effect is above or below a margin. The effect is one number for each training seed."""

    hypothesis: Text = Field(description="The claim in words, as the report shows it")
    experiment: Name = Field(description="The experiment to measure: one of `rebound` or `resistance`")
    measure: Measure = Field(description="The measure. Scores are oriented so that the alignment stage raises them")
    over: Over = Field(
        "value",
        description="The effect. value: the measure itself; sizes: its difference between the largest and the smallest "
        "P; bases: between the last and the first of `bases`; control: between the experiment and its `control`. "
        "Remaining sizes P and base models are averaged",
    )
    control: Name | None = Field(
        None,
        description="The experiment to subtract if `over` is control. A rebound experiment must have the same task and "
        "inverse_sizes and as many bases and alignment_sizes as the experiment, a resistance experiment as many bases",
    )
    direction: Literal["greater", "less"] = Field(description="greater: the effect is above the margin; less: below it")
    margin: float = Field(0.0, description="The margin, in the unit of the measure")
    role: Role = Field(
        description="How p-values are adjusted over all claims of this role. confirmatory: Holm; exploratory: "
        "Benjamini-Hochberg"
    )
    seeds: PositiveInt = Field(description="Least number of training seeds. With fewer the verdict is: undecided")
    exclusions: dict[int, Text] = Field(
        default_factory=dict,
        description="Seeds to leave out and the reason for each, which must not depend on the results",
    )

    @property
    def kind(self) -> Kind:
        """The kind of experiment that the measure is computed from."""
        return MEASURES[self.measure][0]

    @property
    def unit(self) -> str:
        """The unit of the effect."""
        return UNITS[self.measure]

    @property
    def sign(self) -> int:
        """The factor, 1 or -1, by which effects are multiplied so that large values support the claim."""
        return 1 if self.direction == "greater" else -1

    @property
    def parts(self) -> tuple[str, ...]:
        """The measures that must all be on the claimed side of the margin."""
        return PARTS.get(self.measure, (self.measure,))

    @property
    def is_per_prompt(self) -> bool:
        """Whether the effect can be computed for each prompt."""
        return set(self.parts) <= set(PER_PROMPT)

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments that the claim needs: its own and, if given, its control."""
        return (self.experiment, self.control) if self.control else (self.experiment,)


def claims_digest(claims: Mapping[Name, Claim]) -> str:
    """Return the SHA-256 (hex) of the claims. Their order, and keys at their default, do not change it."""
    return digest({name: claim.model_dump(mode="json", exclude_defaults=True) for name, claim in claims.items()})


def declared(claims: Mapping[Name, Claim], metrics: Iterable[Mapping[str, Any]]) -> dict[str, str | int]:
    """Count the training jobs that ran while the study declared other claims.

    ``metrics`` are the metrics of all training jobs; each records the digest of the claims at its time. A job without a
    digest counts as having run under other claims. Returns the present digest (``claims``), the number of jobs
    (``training_jobs``) and the number of those under other claims (``under_other_claims``).
    """
    own = claims_digest(claims)
    found = [job.get("claims") for job in metrics]
    return {"claims": own, "training_jobs": len(found), "under_other_claims": sum(other != own for other in found)}


def telling_p(claimed: float, against: float) -> tuple[float, str]:
    """Return the smaller of two p-values and what to write behind it.

    ``claimed`` is the p-value for the claim, ``against`` the one for its opposite. The second value is ``" against"``
    or empty. NaN means that the test must not decide.
    """
    return (claimed, "") if math.isnan(against) or against >= claimed else (against, " against")
