"""Checks of rebound experiments: the alignment stage moved the model, the score model can tell, responses are text."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from elasticity.analysis.checks.inputs import Bounds, Checked, CheckInputs, bounds
from elasticity.config.checks import check

TELLS = 0.6
"""The least accuracy of a score model on held-out texts of both sides; guessing has 0.5."""


CENTRED = 0.1
"""How far from one half the share of held-out texts may be that a score model calls positive, of balanced texts."""


BROKEN = 0.5
"""The largest share of cells whose responses may differ from text: see the warnings of the text statistics."""


def _moves(inputs: CheckInputs, measure: str = "start") -> list[Bounds]:
    """Bounds of how far the alignment stage raised the outcome, on average over seeds, for each P; none if unknown."""
    rows = inputs.measures[inputs.measures["measure"] == measure].dropna(subset="value")
    groups = rows.groupby("alignment_size")["value"]
    found = [bounds(values.to_numpy(dtype=float)) for _, values in groups]
    return [] if any(math.isnan(low) for low, _ in found) else found


def _last(moves: list[Bounds]) -> Checked | None:
    return moves[-1].checked(moves[-1].low) if moves else None


def _least(moves: list[Bounds]) -> Checked | None:
    least = Bounds(*map(min, zip(*moves, strict=True))) if moves else None
    return least.checked(least.low) if least else None


@check(
    "moved",
    title="rise of the score by the largest P, at least",
    needed="above 0",
    failed="the alignment stage did not raise the score of the base model by more than noise",
)
def moved(inputs: CheckInputs) -> Checked | None:
    """The lower 95 % bound of the start of the largest P."""
    return _last(_moves(inputs))


@check(
    "every-size-moved",
    title="least rise of the score by any P",
    needed="above 0",
    failed="some P did not raise the score of the base model by more than noise, so it has nothing to go back from",
)
def every_size_moved(inputs: CheckInputs) -> Checked | None:
    """The smallest lower 95 % bound of the start of any P."""
    return _least(_moves(inputs))


def _found(quality: Mapping[str, Any], name: str) -> Iterator[float]:
    """The numbers of this name in the quality of a score model, which may have a part for each corpus."""
    for key, value in quality.items():
        if isinstance(value, Mapping):
            yield from _found(value, name)
        elif key == name and value is not None:
            yield float(value)


@check(
    "score-model",
    title="accuracy of the score model",
    needed=f"at least {TELLS:g}",
    failed="the score model cannot tell held-out texts of the two sides apart",
)
def tells_sides_apart(inputs: CheckInputs) -> Checked | None:
    """The lowest accuracy on held-out texts."""
    found = min(_found(inputs.quality, "accuracy"), default=None)
    return None if found is None else Checked(found, found >= TELLS)


@check(
    "score-model-centred",
    title="share of balanced held-out texts that the score model calls positive",
    needed=f"{0.5 - CENTRED:g} to {0.5 + CENTRED:g}",
    failed="the score model leans to one side: scores of balanced text are far from one half",
)
def centred(inputs: CheckInputs) -> Checked | None:
    """The share of positive among balanced held-out texts that is farthest from one half."""
    found = max(_found(inputs.quality, "share_positive"), key=lambda share: abs(share - 0.5), default=None)
    return None if found is None else Checked(found, abs(found - 0.5) <= CENTRED)


@check(
    "text",
    title="share of cells whose responses are far from text",
    needed=f"at most {BROKEN:g}",
    failed="responses are no longer text: the text statistics warn of most cells",
)
def responses_are_text(inputs: CheckInputs) -> Checked | None:
    """The share of cells with a warning; None if the experiment has no text statistics."""
    if inputs.rebound is None or "warning" not in inputs.rebound:
        return None
    share = float((inputs.rebound["warning"].fillna("") != "").mean())
    return Checked(share, share <= BROKEN)


@check(
    "lean-moved",
    title="rise of the lean by the largest P, at least",
    needed="above 0",
    failed="the alignment stage did not move the lean of the base model by more than noise",
)
def lean_moved(inputs: CheckInputs) -> Checked | None:
    """The lower 95 % bound of the start of the largest P, in bits per byte."""
    return _last(_moves(inputs, "lean-start"))


@check(
    "lean-every-size-moved",
    title="least rise of the lean by any P",
    needed="above 0",
    failed="some P did not move the lean of the base model by more than noise, so it has nothing to go back from",
)
def every_size_moved_the_lean(inputs: CheckInputs) -> Checked | None:
    """The smallest lower 95 % bound of the lean's start of any P, in bits per byte."""
    return _least(_moves(inputs, "lean-start"))
