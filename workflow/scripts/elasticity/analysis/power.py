"""The power of one-sided t tests over seeds: what a study can detect, and how many seeds and prompts it needs."""

import math

from scipy import optimize, stats

from elasticity.analysis.noise import Noise

POWER = 0.8
"""The power that detectable effects and numbers of seeds are given for."""


MOST_SEEDS = 1000
"""The largest number of seeds that is tried."""


def power(effect: float, seeds: int, level: float) -> float:
    """The probability that a one-sided t test of ``seeds`` numbers finds a mean of ``effect`` standard deviations."""
    if seeds < 2:
        return 0.0
    return float(stats.nct.sf(stats.t.isf(level, seeds - 1), seeds - 1, effect * seeds**0.5))


def detectable(seeds: int, level: float, wanted: float = POWER) -> float:
    """The mean in standard deviations that a test finds with the wanted power; infinite with fewer than two seeds."""
    if seeds < 2:
        return float("inf")
    highest = 2.0
    while power(highest, seeds, level) < wanted:
        highest *= 2
    return float(optimize.brentq(lambda effect: power(effect, seeds, level) - wanted, 0.0, highest))


def seeds_needed(effect: float, level: float, wanted: float = POWER) -> int | None:
    """The seeds with which a mean of ``effect`` standard deviations is found; None if ``MOST_SEEDS`` are too few."""
    few, many = 1, MOST_SEEDS
    if power(effect, many, level) < wanted:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if power(effect, middle, level) >= wanted else (middle, many)
    return many


def prompts_needed(margin: float, noise: Noise, seeds: int, level: float, wanted: float = POWER) -> int | None:
    """The prompts with which ``seeds`` seeds find an effect of ``margin``; None if no number of prompts is enough."""
    left = (margin / detectable(seeds, level, wanted)) ** 2 - noise.of_seeds
    if left <= 0 or math.isnan(noise.prompt_sd):
        return None
    return math.ceil(noise.prompt_sd**2 / left)
