"""The layout of a task's splits: how many examples of each side they take, and in which order they are filled."""

from collections.abc import Iterator

from pydantic import PositiveInt

from elasticity.config.base import Section, Side
from elasticity.config.data import BOTH, NEUTRAL, Beginnings, Prompts, Questions, Sides, Source, Splits

PARTS = ("resistance-1", "resistance-2", "resistance-3", "resistance-4")
"""The splits D1 to D4 of a resistance experiment."""


PROMPTS = ("prompts", PARTS[3])
"""The splits that give prompts. They take one example of each topic, so that prompts are distinct."""


TRAINING: Sides = ("positive", "negative", "neutral")
"""The splits that models are fine-tuned on, one for each side. They may share topics."""


BYTES_PER_TOKEN = 3
"""Bytes of a prompt counted as one token. English has four or more; the difference leaves room for a template."""


class Take(Section):
    """The examples that a split takes: their number by side, and the length of their prompts."""

    split: str
    shares: dict[Side, PositiveInt]
    longest_prompt: PositiveInt | None = None
    """Maximum length of a prompt in UTF-8 bytes; None: any."""

    @property
    def family(self) -> str:
        """A name that splits have in common which may share topics."""
        return "training" if self.split in TRAINING else self.split

    def takes_prompt(self, prompt: str) -> bool:
        """Return whether a prompt is short enough."""
        return self.longest_prompt is None or len(prompt.encode()) <= self.longest_prompt


def layout(splits: Splits, prompts: Prompts | None) -> dict[str, Take]:
    """Return what every split takes, in the order in which splits are filled.

    Splits that users often enlarge come last, so that the others keep their examples. Neutral data have no held-out
    corpora of the two sides.
    """
    of_sides = 0 if splits.sides == NEUTRAL else splits.held_out
    wanted: dict[str, tuple[int, Sides]] = {
        "prompts": (splits.prompts, splits.sides),
        "held-out-pretraining": (splits.held_out, splits.sides),
        "held-out-positive": (of_sides, ("positive",)),
        "held-out-negative": (of_sides, ("negative",)),
        "score-model": (splits.score_model, BOTH),
        **dict.fromkeys(PARTS, (splits.resistance, splits.sides)),
        **{side: (getattr(splits, side), (side,)) for side in TRAINING},
        "pretraining": (splits.pretraining, splits.sides),
    }
    longest = BYTES_PER_TOKEN * prompts.max_tokens if isinstance(prompts, Questions) else None
    return {split: Take(split=split, shares=_shares(*sizes), longest_prompt=longest) for split, sizes in wanted.items()}


def _shares(size: int, sides: Sides) -> dict[Side, int]:
    """Divide ``size`` equally among the sides; the first sides take the remainder. Shares of 0 are left out."""
    shares = {side: size // len(sides) + (i < size % len(sides)) for i, side in enumerate(sides)}
    return {side: share for side, share in shares.items() if share}


def needed(takes: dict[str, Take], split: str) -> tuple[Take, ...]:
    """Return the takes that determine a split: those filled before it that share no topics with it, and its own."""
    names = list(takes)
    before = [takes[name] for name in names[: names.index(split)]]
    return *(take for take in before if take.shares and take.family != takes[split].family), takes[split]


def split_mistakes(source: Source, splits: Splits, prompts: Prompts | None) -> Iterator[str]:
    """Yield what a task demands of its data that they cannot give, each with its key first."""
    for split in ("prompts", "resistance"):
        if prompts is None and (size := getattr(splits, split)):
            yield f"splits.{split} is {size}, and prompts are made of it: add `prompts`, or set the split to 0"
    if prompts is None and source.has_prompts and any(getattr(splits, side) for side in TRAINING):
        yield "prompts: is missing, but the training examples have prompts: add {kind: questions, max_tokens: ...}"
    if isinstance(prompts, Beginnings) and source.has_prompts:
        yield "prompts.kind: beginnings are for texts without prompts, but these data have prompts: use questions"
    if isinstance(prompts, Questions) and not source.has_prompts:
        yield "prompts.kind: questions are the prompts of the data, but these data have none: use beginnings"
    for take in layout(splits, prompts).values():
        if take.shares and take.split != "prompts" and not source.has_responses:
            yield f"splits: {take.split} takes responses, but these data are only prompts: set it to 0"
        for side in take.shares:
            if side not in source.sides:
                yield (
                    f"splits: {take.split} takes {side} examples, but these data are {' and '.join(source.sides)}: "
                    "correct splits.sides, or set the split to 0"
                )
