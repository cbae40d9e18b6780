"""What the job that judges claims is told."""

from elasticity.claims import Claim
from elasticity.judging_jobs import ReboundJudgeJob
from elasticity.settings import Name, Section, Seeds


class JudgedClaim(Section):
    """A claim, the base models of each of its experiments, and what to look at: paths in the folder of the results."""

    name: Name
    claim: Claim
    bases: dict[Name, tuple[Name, ...]]
    figure: str
    table: str

    @property
    def compares(self) -> str:
        """``claim.over``, but ``bases`` for a control of other base models: they do not share the base's answers."""
        others = self.claim.control and self.bases[self.claim.control] != self.bases[self.claim.experiment]
        return "bases" if others else self.claim.over


class VerdictsJob(Section):
    """Judge claims; tables of measures come in the order of ``experiments``, scores in that of ``tasks``.

    ``rebound`` holds the experiments whose scores are looked at prompt by prompt, too.
    """

    claims: tuple[JudgedClaim, ...]
    seeds: Seeds
    experiments: tuple[Name, ...]
    tasks: tuple[Name, ...]
    rebound: dict[Name, ReboundJudgeJob]


class VerdictsFigureJob(Section):
    """Draw the verdicts: all that is drawn is in their tables."""
