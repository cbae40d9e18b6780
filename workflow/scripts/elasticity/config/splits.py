"""The splits of a task: how many examples each takes, and in which order they are filled."""

from collections.abc import Iterator

from pydantic import PositiveInt

from elasticity.config.base import Section, Side
from elasticity.config.data import BOTH, NEUTRAL, Beginnings, Prompts, Questions, Sides, Source, Splits

PARTS = ("resistance-1", "resistance-2", "resistance-3", "resistance-4")


PROMPTS = ("prompts", PARTS[3])
"""The splits that give prompts: one example a topic, so that prompts are distinct."""


TRAINING: Sides = ("positive", "negative", "neutral")


BYTES_PER_TOKEN = 3
"""English takes four or more in the tokenizers in use; the difference is room for a template."""


class Take(Section):
    """How many examples of each side a split takes."""

    split: str
    shares: dict[Side, PositiveInt]
    longest_prompt: PositiveInt | None = None
    """UTF-8 bytes of the prompts that are short enough; None: all are."""

    @property
    def family(self) -> str:
        """What the splits have in common that may share topics."""
        return "training" if self.split in TRAINING else self.split

    def takes_prompt(self, prompt: str) -> bool:
        """Whether it is short enough."""
        return self.longest_prompt is None or len(prompt.encode()) <= self.longest_prompt


def layout(splits: Splits, prompts: Prompts | None) -> dict[str, Take]:
    """What every split takes, in the order in which they are filled.

    Splits that a user enlarges often come last, so that the others keep their examples. Neutral data have no held-out
    corpora of a side.
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
    """Equal shares that are not zero; the alignment stages take what is left over."""
    shares = {side: size // len(sides) + (i < size % len(sides)) for i, side in enumerate(sides)}
    return {side: share for side, share in shares.items() if share}


def needed(takes: dict[str, Take], split: str) -> tuple[Take, ...]:
    """What decides about a split: those that are filled before it and share nothing with it, and itself."""
    names = list(takes)
    before = [takes[name] for name in names[: names.index(split)]]
    return *(take for take in before if take.shares and take.family != takes[split].family), takes[split]


def split_mistakes(source: Source, splits: Splits, prompts: Prompts | None) -> Iterator[str]:
    """What a task asks of its data that such data cannot give, with its place first."""
    for split in ("prompts", "resistance"):
        if prompts is None and (size := getattr(splits, split)):
            yield f"splits.{split} is {size}, and prompts are made of it: say in `prompts` how, or set the split to 0"
    if prompts is None and source.prompted and any(getattr(splits, side) for side in TRAINING):
        yield "prompts: the examples to train on have some: say how long they may be (kind: questions, max_tokens)"
    if isinstance(prompts, Beginnings) and source.prompted:
        yield "prompts.kind: beginnings are cut off texts without prompts; these data have prompts: use questions"
    if isinstance(prompts, Questions) and not source.prompted:
        yield "prompts.kind: questions are the prompts of the data; these data are texts without: use beginnings"
    for take in layout(splits, prompts).values():
        if take.shares and take.split != "prompts" and not source.has_responses:
            yield f"splits: {take.split} takes responses, but these data hold none: only prompts can be more than 0"
        for side in take.shares:
            if side not in source.sides:
                yield (
                    f"splits: {take.split} takes {side} examples, but these data are {' and '.join(source.sides)}: "
                    "correct splits.sides, or set the split to 0"
                )
