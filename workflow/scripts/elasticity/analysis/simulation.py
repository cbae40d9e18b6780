"""Simulated experiments: what a study would see if models relaxed, rebounded, or did neither.

A score is the share of prompts that are answered well. Each response is a draw of its own, with a chance that depends on
the model and on the prompt, and the prompts are the same for all models, the base model included.
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
"""Times that the distance from the floor falls to 1/e over all N: at the end 2 % of it is left."""


FASTER = 2.0
"""Times the rate of the smallest P that the largest falls at, with a rebound."""


SLOW_SHARE, SLOWER = 0.3, 6.0
"""Of a fall with a rebound, the part that takes so many times longer."""


CHUNK = 2_000_000
"""Responses that are simulated at once."""


@dataclass(frozen=True)
class Simulated:
    """Scores of shape (scenarios, draws, seeds, P, N), and those of the base models that they share, shape (draws,)."""

    scores: Array
    base: Array


def simulated(
    scenarios: Sequence[Scenario], design: Design, seeds: int, settings: Calibration, generator: np.random.Generator
) -> Simulated:
    """Experiments of these kinds, side by side: those of one draw share the base model's responses and the prompts.

    A run, one seed and one P, has a level and a rate of its own; all its sizes N are checkpoints of it.
    """
    draws = settings.draws
    shape = (draws, seeds, len(design.alignment_sizes), 1)
    means = []
    for scenario in scenarios:
        rates = np.exp(settings.run_rate * generator.standard_normal(shape))
        offsets = settings.run_offset * generator.standard_normal(shape)
        means.append(np.clip(curves(scenario, design, settings, rates) + offsets, 0, 1))
    cells = np.stack(means, axis=1)
    chances = np.concatenate([np.full((draws, 1), settings.base), cells.reshape(draws, -1)], axis=1)
    each = max(1, CHUNK // (chances.shape[1] * design.prompts))
    parts = [
        responses(chances[i : i + each], design.prompts, settings.prompt_spread, generator).mean(axis=2)
        for i in range(0, draws, each)
    ]
    found = np.concatenate(parts)
    return Simulated(found[:, 1:].reshape(cells.shape).swapaxes(0, 1), found[:, 0])


def responses(chances: Array, prompts: int, spread: float, generator: np.random.Generator) -> "np.ndarray[Any, Any]":
    """Which prompts are answered well, shape (draws, cells, prompts), by mean chances of shape (draws, cells).

    In one draw a prompt is as easy for all cells: up to ``spread`` of the way from the mean to 0 or 1, whichever is
    nearer.
    """
    mean = chances.astype(np.float32)[:, :, None]
    ease = np.float32(spread) * generator.uniform(-1, 1, (len(chances), 1, prompts)).astype(np.float32)
    return generator.random((*chances.shape, prompts), dtype=np.float32) < mean + ease * np.minimum(mean, 1 - mean)


def curves(scenario: Scenario, design: Design, settings: Calibration, rates: Array | float = 1.0) -> Array:
    """Mean scores without noise, shape (..., P, N), of runs that go at ``rates`` times the usual rate, (..., P, 1).

    ``nothing``: no training changes anything. ``relaxation``: whatever P, the same exponential way to the same floor,
    from starts that grow with P. ``proportional``: likewise, but what P examples brought takes P examples to take back.
    ``rebound``: the larger P, the faster at first and the lower in the end, fast and then slow.
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
"""Forward minus inverse, KL and own entropy in nats per token: nothing differs, the responses of the targets do, and the
models do."""


def simulated_gaps(gap: Gap, seeds: int, settings: Calibration, generator: np.random.Generator) -> dict[str, Array]:
    """Forward minus inverse in nats per token, shape (draws, seeds), of what is measured of resistance.

    A training loss is a cross-entropy on other texts: the same means, and noise of its own.
    """
    kl, entropy = GAPS[gap](settings)
    noise = np.sqrt(2) * settings.run_nats * generator.standard_normal((3, settings.draws, seeds))
    gaps = {"kl-gap": kl + noise[0], "entropy-gap": entropy + noise[1]}
    total = gaps["kl-gap"] + gaps["entropy-gap"]
    return {**gaps, "cross-entropy-gap": total, "training-loss-gap": kl + entropy + noise[2]}
