"""Disjoint pools: texts in the order of their digest, a stretch of that order for each pool."""

from collections.abc import Mapping, Sequence

from elasticity.errors import UserError
from elasticity.settings import Stretches
from elasticity.study import Pools

PARTS = ("resistance-1", "resistance-2", "resistance-3", "resistance-4")


def layout(pools: Pools) -> dict[str, Stretches]:
    """Which stretch of each side every pool takes.

    Pools that a user enlarges often come last, so that the others keep their texts.
    """
    sizes = {"prompts": pools.prompts}
    sizes |= {f"held-out-{corpus}": pools.held_out for corpus in ("pretraining", "positive", "negative")}
    sizes |= {"score-model": pools.score_model}
    sizes |= dict.fromkeys(PARTS, pools.resistance)
    sizes |= {"positive": pools.positive, "negative": pools.negative, "pretraining": pools.pretraining}
    used = {"positive": 0, "negative": 0}
    stretches: dict[str, Stretches] = {}
    for pool, size in sizes.items():
        stretches[pool] = {}
        for side, share in _shares(pool, size).items():
            stretches[pool][side] = (used[side], used[side] + share)
            used[side] += share
    return stretches


def _shares(pool: str, size: int) -> dict[str, int]:
    """How many texts of each side: all of one for a pool that is named after it, else half of each."""
    for side in ("positive", "negative"):
        if pool.endswith(side):
            return {side: size}
    return {"positive": size - size // 2, "negative": size // 2}


def take(rows: Sequence[Mapping[str, str]], stretches: Mapping[str, Sequence[int]]) -> list[Mapping[str, str]]:
    """The rows of one pool, in the order of their digests.

    Raises ``UserError`` if the data hold too few texts of a side.
    """
    taken: list[Mapping[str, str]] = []
    for side, (start, stop) in stretches.items():
        available = [row for row in rows if row["side"] == side]
        if stop > len(available):
            raise UserError(
                f"the pools of the study need {stop} or more {side} texts, but the data hold {len(available)} "
                "without duplicates: make the pools smaller"
            )
        taken += available[start:stop]
    return sorted(taken, key=lambda row: row["id"])
