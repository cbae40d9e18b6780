"""What each claim can detect, and the seeds and prompts that its margin needs."""

import math
from collections.abc import Iterator

from elasticity.analysis.hypothesis_tests import LEVEL
from elasticity.analysis.noise import Noise, noise_of, read_noise
from elasticity.analysis.power import POWER, detectable, prompts_needed, seeds_needed
from elasticity.config.claims import Claim
from elasticity.config.study import Study
from elasticity.pipeline.reporting.noise import noise_file

HEAD = ("claim", "compares", "margin", "seeds", "detects", "seeds needed", "prompts needed")


def rows(study: Study) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table below ``HEAD``, one for each claim.

    The test of a claim has at least its level over the number of claims of its role, and each of its parts has to be
    found. A refutation of an absent effect needs as many seeds as a confirmation of one that just matters.
    """
    noise, roles = read_noise(noise_file(study)), [claim.role for claim in study.claims.values()]
    for name, claim in study.claims.items():
        level = LEVEL / roles.count(claim.role)
        parts = [noise_of(noise, part, claim.over) for part in claim.parts]
        found = _numbers(study, claim, [it for it in parts if it], level) if all(parts) else ("noise unknown", "", "")
        compares = f"{claim.measure}, {claim.over}"
        yield name, compares, f"{claim.margin:g} {claim.unit}", str(_seeds(study, claim)), *found


def _numbers(study: Study, claim: Claim, parts: list[Noise], level: float) -> tuple[str, str, str]:
    """The effect that all parts detect together, and the seeds, and the prompts with as many seeds, for the margin."""
    wanted, prompts, seeds = POWER ** (1 / len(parts)), _prompts(study, claim), _seeds(study, claim)
    worst = max(parts, key=lambda it: it.with_prompts(prompts))
    sd = worst.with_prompts(prompts)
    smallest = sd * detectable(seeds, level, wanted)
    effect = f"{smallest:.2g}" if math.isfinite(smallest) else "nothing"
    if not claim.margin:
        return effect, "no margin", ""
    needed = max(seeds_needed(claim.margin / sd, level, wanted) or math.inf, claim.seeds) if sd else claim.seeds
    more = prompts_needed(claim.margin, worst, seeds, level, wanted) if prompts else None
    return effect, "more than 1000" if needed == math.inf else str(needed), _prompts_in_words(more, prompts)


def _seeds(study: Study, claim: Claim) -> int:
    """The number of seeds that a claim is tested on."""
    return len(set(study.seeds[: claim.max_seeds(study.rebound)]) - claim.exclusions.keys())


def _prompts_in_words(needed: int | None, now: int | None) -> str:
    if now is None:
        return ""
    if needed is None:
        return "more do not help"
    return f"{needed} (now {now})"


def _prompts(study: Study, claim: Claim) -> int | None:
    """The number of prompts that the effect is a mean over; None if prompts have no effect of their own."""
    return study.tasks[study.rebound[claim.experiment].task].splits.prompts if claim.is_per_prompt else None
