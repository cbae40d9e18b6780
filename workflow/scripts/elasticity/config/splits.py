"""The splits of a task: how many examples each takes, and the order in which they are filled."""

from collections.abc import Iterator

from pydantic import PositiveInt

from elasticity.config.base import Section, Side
from elasticity.config.data import Beginnings, Prompts, Questions, Source, Splits
from elasticity.config.formats import BOTH, NEUTRAL, Sides

PARTS = ("resistance-1", "resistance-2", "resistance-3", "resistance-4")
"""The four parts D1 to D4 of the resistance experiments."""


PROMPTS = ("prompts", PARTS[3])
"""The splits whose prompts are used. They hold one example of each topic, so that their prompts are distinct."""


TRAINING: Sides = ("positive", "negative", "neutral")
"""The splits that serve only for fine-tuning, one for each side."""


BYTES_PER_TOKEN = 3
"""UTF-8 bytes of a prompt that are planned for a token.

English text has four or more bytes per token in common tokenizers; the difference leaves room for a template.
"""


class Take(Section):
    """What a split takes: its number of examples of each side, and the longest prompt."""

    split: str
    shares: dict[Side, PositiveInt]
    longest_prompt: PositiveInt | None = None
    """Largest length of a prompt in UTF-8 bytes; None: no limit."""

    @property
    def family(self) -> str:
        """The group of the split. Splits of one family may share topics."""
        return "training" if self.split in TRAINING else self.split

    def takes_prompt(self, utf8_bytes: int) -> bool:
        """Whether a prompt of this length is short enough for the split."""
        return self.longest_prompt is None or utf8_bytes <= self.longest_prompt


def layout(splits: Splits, prompts: Prompts | None) -> dict[str, Take]:
    """What each split takes, in the order in which the splits are filled.

    The splits that users enlarge most often come last, so that the others keep their examples. Neutral data have no
    held-out corpora of a side.
    """
    counts = (splits.held_out, splits.validation, splits.lean)
    of_sides, validation, leaning = (0, 0, 0) if splits.sides == NEUTRAL else counts
    wanted: dict[str, tuple[int, Sides]] = {
        "prompts": (splits.prompts, splits.sides),
        "held-out-pretraining": (splits.held_out, splits.sides),
        "held-out-positive": (of_sides, ("positive",)),
        "held-out-negative": (of_sides, ("negative",)),
        "validation-positive": (validation, ("positive",)),
        "validation-negative": (validation, ("negative",)),
        "lean-positive": (leaning, ("positive",)),
        "lean-negative": (leaning, ("negative",)),
        "score-model": (splits.score_model, BOTH),
        **dict.fromkeys(PARTS, (splits.resistance, splits.sides)),
        **{side: (getattr(splits, side), (side,)) for side in TRAINING},
        "pretraining": (splits.pretraining, splits.sides),
    }
    longest = BYTES_PER_TOKEN * prompts.max_tokens if isinstance(prompts, Questions) else None
    return {split: Take(split=split, shares=_shares(*sizes), longest_prompt=longest) for split, sizes in wanted.items()}


def _shares(size: int, sides: Sides) -> dict[Side, int]:
    """Equal shares of the sides, without those that are 0. The first sides take the remainder."""
    shares = {side: size // len(sides) + (i < size % len(sides)) for i, side in enumerate(sides)}
    return {side: share for side, share in shares.items() if share}


def needed(takes: dict[str, Take], split: str) -> tuple[Take, ...]:
    """The splits that decide which examples a split gets, in order.

    They are the splits of other families that are filled before it, and the split itself.
    """
    names = list(takes)
    before = [takes[name] for name in names[: names.index(split)]]
    return *(take for take in before if take.shares and take.family != takes[split].family), takes[split]


def split_mistakes(source: Source, splits: Splits, prompts: Prompts | None) -> Iterator[str]:
    """Messages about splits and prompts that the data of a task cannot give; each begins with the key in question."""
    for split in ("prompts", "resistance"):
        if prompts is None and (size := getattr(splits, split)):
            yield (
                f"splits.{split} is {size}, and prompts are made from it: say in `prompts` how, or set the split to 0"
            )
    if prompts is None and source.has_prompts and any(getattr(splits, side) for side in TRAINING):
        yield "prompts: the training examples have prompts: set their largest length (kind: questions, max_tokens)"
    if isinstance(prompts, Beginnings) and source.has_prompts:
        yield "prompts.kind: beginnings are cut from texts without prompts, but these data have prompts: use questions"
    if isinstance(prompts, Questions) and not source.has_prompts:
        yield "prompts.kind: questions are the prompts of the data, but these data have no prompts: use beginnings"
    for take in layout(splits, prompts).values():
        if take.shares and take.split != "prompts" and not source.has_responses:
            yield f"splits: {take.split} takes responses, but these data have none: only prompts can be more than 0"
        for side in take.shares:
            if side not in source.sides:
                yield (
                    f"splits: {take.split} takes {side} examples, but these data are {' and '.join(source.sides)}: "
                    "correct splits.sides, or set the split to 0"
                )
