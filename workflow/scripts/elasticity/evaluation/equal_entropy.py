"""The equal-entropy control: prompts on which the responses of two slices have the same entropy per token.

Forward and inverse tuning fit texts of different entropy, and H(p, q) = H(p) + KL(p || q). On prompts where the
entropies of the two slices, each measured on its own responses, agree, neither direction has the easier texts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elasticity.config.cells import TuningPath
from elasticity.config.experiments import half


def nearest_half(differences: Sequence[float], prompt_ids: Sequence[str]) -> list[int]:
    """Return the indices of the prompts to keep: half of them, contiguous by difference, with the mean nearest to 0.

    Ties are broken by the identifiers of the prompts, then in favour of the lower end, so the choice is deterministic.
    """
    order = sorted(range(len(differences)), key=lambda i: (differences[i], prompt_ids[i]))
    count = half(len(order))
    sums = np.cumsum([0.0, *(differences[i] for i in order)])
    first = int(np.argmin(np.abs(sums[count:] - sums[: len(sums) - count])))
    return order[first : first + count]


def choices(
    responses: str,
    pair: TuningPath,
    first: Mapping[str, tuple[int, float]],
    second: Mapping[str, tuple[int, float]],
) -> list[dict[str, Any]]:
    """Return rows of schema ``CHOSEN`` for a pair of slices: all prompts, in the order of ``first``.

    ``responses`` is ``twins`` or ``questions``. ``first`` and ``second`` map each prompt to the number of tokens of the
    slice's response and to its code length in nats under the slice itself.
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


def _per_token(measured: tuple[int, float]) -> float:
    tokens, nats = measured
    return nats / tokens
