"""The equal-entropy control: prompts whose responses take two slices as many nats per token, each under itself.

Forward and inverse tuning fit texts of different entropy, and H(p, q) = H(p) + KL(p || q): of prompts on which the two
entropies agree, neither direction has the easier texts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from elasticity.config.cells import TuningPath
from elasticity.config.experiments import half

Responses = str
"""``twins``, which slices are tuned on, or ``questions``, which they are measured on."""


def nearest_half(differences: Sequence[float], prompt_ids: Sequence[str]) -> list[int]:
    """Places of the prompts to keep: sorted by difference, the run of half of them whose mean is nearest 0.

    Ties are settled by the prompts' names, and then by the lower end, so the choice is the same again.
    """
    order = sorted(range(len(differences)), key=lambda i: (differences[i], prompt_ids[i]))
    count = half(len(order))
    sums = np.cumsum([0.0, *(differences[i] for i in order)])
    first = int(np.argmin(np.abs(sums[count:] - sums[: len(sums) - count])))
    return order[first : first + count]


def choices(
    responses: Responses,
    pair: TuningPath,
    first: Mapping[str, tuple[int, float]],
    second: Mapping[str, tuple[int, float]],
) -> list[dict[str, Any]]:
    """Rows of schema ``CHOSEN`` for a pair of slices: all prompts, in the order of ``first``.

    ``first`` and ``second`` hold for each prompt the tokens of the slice's response and its nats under the slice itself.
    """
    prompt_ids = list(first)
    differences = [_per_token(second[prompt]) - _per_token(first[prompt]) for prompt in prompt_ids]
    kept = set(nearest_half(differences, prompt_ids))
    rows = []
    for place, prompt in enumerate(prompt_ids):
        row = {
            "responses": responses,
            "first": pair[0],
            "second": pair[1],
            "prompt_id": prompt,
            "chosen": place in kept,
        }
        for name, (tokens, nats) in {"first": first[prompt], "second": second[prompt]}.items():
            row |= {f"{name}_tokens": tokens, f"{name}_nats": nats}
        rows.append(row)
    return rows


def chosen_prompts(
    rows: Iterable[Mapping[str, Any]],
) -> dict[tuple[Responses, TuningPath], set[str]]:
    """The prompts to keep, of rows of schema ``CHOSEN``; a pair is found by either of its directions."""
    found: dict[tuple[Responses, TuningPath], set[str]] = {}
    for row in rows:
        if row["chosen"]:
            for pair in ((row["first"], row["second"]), (row["second"], row["first"])):
                found.setdefault((row["responses"], pair), set()).add(row["prompt_id"])
    return found


def _per_token(measured: tuple[int, float]) -> float:
    tokens, nats = measured
    return nats / tokens
