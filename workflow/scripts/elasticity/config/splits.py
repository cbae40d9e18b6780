"""The pools of a task: how many examples each takes, and in which order they are filled."""

from collections.abc import Iterator

from pydantic import PositiveInt

from elasticity.config.base import Section, Side
from elasticity.config.data import BOTH, NEUTRAL, Beginnings, Pools, Prompts, Questions, Sides, Source

PARTS = ("resistance-1", "resistance-2", "resistance-3", "resistance-4")


PROMPTS = ("prompts", PARTS[3])
"""The pools that give prompts: one example a topic, so that prompts are distinct."""


TRAINING: Sides = ("positive", "negative", "neutral")


BYTES_PER_TOKEN = 3
"""English takes four or more in the tokenizers in use; the difference is room for a template."""


class Take(Section):
    """How many examples of each side a pool takes."""

    pool: str
    shares: dict[Side, PositiveInt]
    longest_prompt: PositiveInt | None = None
    """UTF-8 bytes of the prompts that are short enough; None: all are."""

    @property
    def family(self) -> str:
        """What the pools have in common that may share topics."""
        return "training" if self.pool in TRAINING else self.pool

    def takes_prompt(self, prompt: str) -> bool:
        """Whether it is short enough."""
        return self.longest_prompt is None or len(prompt.encode()) <= self.longest_prompt


def layout(pools: Pools, prompts: Prompts | None) -> dict[str, Take]:
    """What every pool takes, in the order in which they are filled.

    Pools that a user enlarges often come last, so that the others keep their examples. Neutral data have no held-out
    corpora of a side.
    """
    of_sides = 0 if pools.sides == NEUTRAL else pools.held_out
    wanted: dict[str, tuple[int, Sides]] = {
        "prompts": (pools.prompts, pools.sides),
        "held-out-pretraining": (pools.held_out, pools.sides),
        "held-out-positive": (of_sides, ("positive",)),
        "held-out-negative": (of_sides, ("negative",)),
        "score-model": (pools.score_model, BOTH),
        **dict.fromkeys(PARTS, (pools.resistance, pools.sides)),
        **{side: (getattr(pools, side), (side,)) for side in TRAINING},
        "pretraining": (pools.pretraining, pools.sides),
    }
    longest = BYTES_PER_TOKEN * prompts.max_tokens if isinstance(prompts, Questions) else None
    return {pool: Take(pool=pool, shares=_shares(*sizes), longest_prompt=longest) for pool, sizes in wanted.items()}


def _shares(size: int, sides: Sides) -> dict[Side, int]:
    """Equal shares that are not zero; the first sides take what is left over."""
    shares = {side: size // len(sides) + (i < size % len(sides)) for i, side in enumerate(sides)}
    return {side: share for side, share in shares.items() if share}


def needed(takes: dict[str, Take], pool: str) -> tuple[Take, ...]:
    """What decides about a pool: those that are filled before it and share nothing with it, and itself."""
    names = list(takes)
    before = [takes[name] for name in names[: names.index(pool)]]
    return *(take for take in before if take.shares and take.family != takes[pool].family), takes[pool]


def split_mistakes(source: Source, pools: Pools, prompts: Prompts | None) -> Iterator[str]:
    """What a task asks of its data that such data cannot give, with its place first."""
    for pool in ("prompts", "resistance"):
        if prompts is None and (size := getattr(pools, pool)):
            yield f"pools.{pool} is {size}, and prompts are made of it: say in `prompts` how, or set the pool to 0"
    if prompts is None and source.prompted and any(getattr(pools, side) for side in TRAINING):
        yield "prompts: the examples to train on have some: say how long they may be (kind: questions, max_tokens)"
    if isinstance(prompts, Beginnings) and source.prompted:
        yield "prompts.kind: beginnings are cut off texts without prompts; these data have prompts: use questions"
    if isinstance(prompts, Questions) and not source.prompted:
        yield "prompts.kind: questions are the prompts of the data; these data are texts without: use beginnings"
    for take in layout(pools, prompts).values():
        if take.shares and take.pool != "prompts" and not source.answered:
            yield f"pools: {take.pool} takes answers, but these data hold none: only prompts can be more than 0"
        for side in take.shares:
            if side not in source.sides:
                yield (
                    f"pools: {take.pool} takes {side} examples, but these data are {' and '.join(source.sides)}: "
                    "correct pools.sides, or set the pool to 0"
                )
