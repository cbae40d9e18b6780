"""Simulated experiments, in which models relax, rebound, or do neither.

A score is the share of prompts with a good response. Each response is an independent draw with a chance that depends on
the model and on the prompt; the prompts are the same for all models, the base model included.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from elasticity.analysis.jobs import Design
from elasticity.config.calibration import Calibration

Array = np.ndarray[Any, np.dtype[np.float64]]


Scenario = Literal["nothing", "relaxation", "proportional", "rebound"]


Gap = Literal["alike", "entropies", "resistance"]


FALLS = 4.0
"""How many times the distance from the floor falls by a factor of e over all N: 2 % of it is left at the end."""


FASTER = 2.0
"""The ratio of the rates at which the largest and the smallest P fall in a rebound."""


SLOW_SHARE, SLOWER = 0.3, 6.0
"""The slow part of a fall with a rebound, and how many times longer it takes."""


CHUNK = 2_000_000
"""The number of responses that are simulated at once."""


@dataclass(frozen=True)
class Simulated:
    """Outcomes, shape (scenarios, draws, seeds, P, N), and the base model's for each seed, shape (draws, seeds)."""

    outcomes: Array
    base: Array


def simulated(
    scenarios: Sequence[Scenario], design: Design, settings: Calibration, generator: np.random.Generator
) -> Simulated:
    """Simulate experiments of these scenarios; those of one draw share the responses of the base model and the prompts.

    A run, one seed and one P, has its own level and rate, and a part of its level is that of its seed; its sizes N are
    checkpoints of it.
    """
    draws = settings.draws
    means = []
    for scenario in scenarios:
        rates, offsets = _runs(design, settings, settings.run_offset, settings.seed_offset, generator)
        means.append(np.clip(curves(scenario, design, settings, rates) + offsets, 0, 1))
    cells = np.stack(means, axis=1)
    own = design.seeds * design.base_draws
    chances = np.concatenate([np.full((draws, own), settings.base), cells.reshape(draws, -1)], axis=1)
    each = max(1, CHUNK // (chances.shape[1] * design.prompts))
    parts = [
        responses(chances[i : i + each], design.prompts, settings.prompt_spread, generator).mean(axis=2)
        for i in range(0, draws, each)
    ]
    found = np.concatenate(parts)
    base = found[:, :own].reshape(draws, design.seeds, design.base_draws).mean(axis=2)
    return Simulated(found[:, own:].reshape(cells.shape).swapaxes(0, 1), base)


def simulated_leans(
    scenarios: Sequence[Scenario], design: Design, settings: Calibration, generator: np.random.Generator
) -> Simulated:
    """Simulate leans in bits per byte, as distances from the base model's on the same texts.

    They follow the curves of scores, scaled to the gain of the lean, with normal noise and no sampling.
    """
    scale, found = settings.lean_gain / settings.gain, []
    for scenario in scenarios:
        rates, offsets = _runs(design, settings, settings.lean_run_offset, settings.lean_seed_offset, generator)
        found.append(scale * (curves(scenario, design, settings, rates) - settings.base) + offsets)
    return Simulated(np.stack(found), np.zeros((settings.draws, design.seeds)))


def _runs(
    design: Design,
    settings: Calibration,
    own: float | None,
    of_seed: float | None,
    generator: np.random.Generator,
) -> tuple[Array, Array]:
    """The rates of runs and the offsets of their levels, shape (draws, seeds, P, 1).

    ``own`` is the standard deviation of a run's own part of its level, ``of_seed`` that of its seed's.
    """
    shape = (settings.draws, design.seeds, len(design.alignment_sizes), 1)
    rates = np.exp(settings.run_rate * generator.standard_normal(shape))
    offsets = (own or 0.0) * generator.standard_normal(shape)
    return rates, offsets + (of_seed or 0.0) * generator.standard_normal((*shape[:2], 1, 1))


def responses(chances: Array, prompts: int, spread: float, generator: np.random.Generator) -> "np.ndarray[Any, Any]":
    """Whether each response is good, shape (draws, cells, prompts), from mean chances of shape (draws, cells).

    In one draw a prompt is equally easy for all cells: its chance differs from the mean by up to ``spread`` of the
    distance from the mean to 0 or 1, whichever is nearer.
    """
    mean = chances.astype(np.float32)[:, :, None]
    ease = np.float32(spread) * generator.uniform(-1, 1, (len(chances), 1, prompts)).astype(np.float32)
    return generator.random((*chances.shape, prompts), dtype=np.float32) < mean + ease * np.minimum(mean, 1 - mean)


def curves(scenario: Scenario, design: Design, settings: Calibration, rates: Array | float = 1.0) -> Array:
    """Mean scores without noise, shape (..., P, N), of runs at ``rates`` times the usual rate, shape (..., P, 1).

    ``nothing``: training changes nothing. ``relaxation``: every P decays exponentially at the same rate to the same
    floor, from starts that grow with P. ``proportional``: likewise, but it takes P examples to take back what P
    examples brought. ``rebound``: the larger P, the faster the fall at first and the lower its end, fast and then slow.
    """
    p: Array = np.array(design.alignment_sizes, dtype=float)[:, None]
    n: Array = np.array(design.inverse_sizes, dtype=float)
    rate: Array = np.asarray(rates, dtype=float)
    grown: Array = np.log2(1 + p / p[0]) / np.log2(1 + p[-1] / p[0])
    above, floor = settings.gain * grown, settings.base - settings.fall
    usual: Array = FALLS / n[-1] * rate
    lowest: Array = np.full_like(p, floor)
    if scenario == "nothing":
        return settings.base + 0 * (n * usual * p)
    if scenario == "proportional":
        usual = np.log1p(above / settings.fall) / p * rate
    left: Array = np.exp(-usual * n)
    if scenario == "rebound":
        more = (grown - grown[0]) / (1 - grown[0]) if len(p) > 1 else np.ones_like(p)
        lowest = floor - settings.rebound * more
        steps = usual * FASTER**more * n
        left = (1 - SLOW_SHARE) * np.exp(-steps) + SLOW_SHARE * np.exp(-steps / SLOWER)
    return lowest + (settings.base + above - lowest) * left


GAPS: Mapping[Gap, Callable[[Calibration], tuple[float, float]]] = {
    "alike": lambda settings: (0.0, 0.0),
    "entropies": lambda settings: (0.0, settings.nats),
    "resistance": lambda settings: (settings.nats, 0.0),
}
"""KL and own entropy, forward minus inverse in nats per token, for each kind of gap.

In ``alike`` nothing differs, in ``entropies`` the responses of the targets do, and in ``resistance`` the models do.
"""


def simulated_gaps(gap: Gap, seeds: int, settings: Calibration, generator: np.random.Generator) -> dict[str, Array]:
    """Simulate the resistance measures: forward minus inverse in nats per token, shape (draws, seeds).

    A training loss is a cross-entropy on other texts: it has the same mean, and noise of its own.
    """
    kl, entropy = GAPS[gap](settings)
    noise = np.sqrt(2) * (settings.run_nats or 0.0) * generator.standard_normal((3, settings.draws, seeds))
    gaps = {"kl-gap": kl + noise[0], "entropy-gap": entropy + noise[1]}
    total = gaps["kl-gap"] + gaps["entropy-gap"]
    return {**gaps, "cross-entropy-gap": total, "training-loss-gap": kl + entropy + noise[2]}
