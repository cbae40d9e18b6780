"""Claims: what a study expects to find, declared before it trains anything, and the digest that reveals a change."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, StringConstraints

from elasticity.config.base import Name, OneOf, Section
from elasticity.config.experiments import Rebound
from elasticity.config.measures import MEASURES, Kind, Measure
from elasticity.core.digests import digest

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


Over = Literal["value", "sizes", "bases", "control"]
"""What the effect of a claim compares; see ``Claim.over``."""


Role = Literal["confirmatory", "exploratory"]


Verdict = Literal["confirmed", "refuted", "undecided", "not testable"]


MeasureName = Annotated[str, OneOf(MEASURES)]


class Claim(Section):
    """An effect that is expected to be above or below 0, and to matter. The effect is one number for each seed."""

    hypothesis: Text = Field(description="The hypothesis in words, as the report shows it")
    experiment: Name = Field(description="A rebound or a resistance experiment of the study")
    measure: MeasureName = Field(
        description="The measure of the experiment, oriented so that the direction of the alignment stage is up"
    )
    over: Over = Field(
        "value",
        description="value: the measure itself; sizes: largest P - smallest P; bases: last base - first base; "
        "control: the experiment - `control`. The remaining P and bases are averaged",
    )
    control: Name | None = Field(
        None,
        description="The experiment to subtract if `over` is control. A rebound experiment must have the same task and "
        "inverse_sizes and as many bases and alignment_sizes as the experiment, a resistance experiment as many bases",
    )
    direction: Literal["greater", "less"] = Field(description="The effect is claimed to be above, or below, 0")
    margin: NonNegativeFloat = Field(
        0.0,
        description="The smallest effect that matters, in the unit of the measure. A claim is confirmed if its effect "
        "is beyond 0 on the claimed side, and refuted if it is shown to be smaller than this",
    )
    role: Role = Field(description="confirmatory: Holm over all of these claims; exploratory: Benjamini-Hochberg")
    seeds: PositiveInt = Field(description="The verdict is undecided with fewer seeds than this")
    exclusions: dict[int, Text] = Field(
        default_factory=dict, description="Seeds that are left out, with the reason: known before results are seen"
    )

    @property
    def entry(self) -> Measure:
        """The registered measure that the claim is about."""
        return MEASURES[self.measure]

    @property
    def kind(self) -> Kind:
        """The kind of experiment that the measure is computed from."""
        return self.entry.kind

    @property
    def unit(self) -> str:
        """The unit of the effect."""
        return self.entry.unit

    @property
    def sign(self) -> int:
        """The factor that makes an effect large where the claim holds: 1, or -1 if the claim is ``less``."""
        return 1 if self.direction == "greater" else -1

    @property
    def parts(self) -> tuple[str, ...]:
        """The measures that the claim is about: all of them must be on the claimed side."""
        return self.entry.parts or (self.measure,)

    @property
    def is_per_prompt(self) -> bool:
        """Whether each prompt has an effect of its own."""
        return all(MEASURES[part].per_prompt for part in self.parts)

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments that the claim needs: its own and, if given, its control."""
        return (self.experiment, self.control) if self.control else (self.experiment,)

    def max_seeds(self, rebound: Mapping[Name, Rebound]) -> int | None:
        """The number of seeds that its experiments have at most; None without a limit.

        ``rebound`` holds the rebound experiments of the study.
        """
        limits = [rebound[name].max_seeds for name in self.experiments] if self.kind == "rebound" else []
        return min((limit for limit in limits if limit), default=None)


def claims_digest(claims: Mapping[Name, Claim]) -> str:
    """SHA-256 (hex) of the claims. Neither their order nor values that are left at their defaults change it."""
    return digest({name: claim.model_dump(mode="json", exclude_defaults=True) for name, claim in claims.items()})


def declared(
    claims: Mapping[Name, Claim], metrics: Iterable[Mapping[str, Any]], looks: Sequence[int] = (), seeds: int = 0
) -> dict[str, str | int]:
    """How many training jobs there are, how many of them ran under other claims, and which looks were made.

    ``metrics`` are the metrics of the training jobs, which hold the digest of the claims at that time. A job without a
    digest ran under other claims, too. ``looks`` are the numbers of seeds after which looks are planned, if they are,
    and ``seeds`` is the number by now.
    """
    own = claims_digest(claims)
    found = [job.get("claims") for job in metrics]
    record = {"claims": own, "training_jobs": len(found), "under_other_claims": sum(other != own for other in found)}
    if looks:
        record["looks"] = f"{', '.join(str(look) for look in looks if look <= seeds)} of at most {looks[-1]} seeds"
    return record


def telling_p(claimed: float, against: float) -> tuple[float, str]:
    """Return the smaller of two p-values and what to write behind it.

    ``claimed`` is the p-value for the claim, ``against`` the one for its opposite. The second value is ``" against"``
    or empty. NaN means that the test must not decide.
    """
    return (claimed, "") if math.isnan(against) or against >= claimed else (against, " against")
