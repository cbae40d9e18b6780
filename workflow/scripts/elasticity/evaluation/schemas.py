"""Schemas of the parquet tables that evaluation writes; readers check them."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from elasticity.config.cells import TuningPath

_RESPONSE = [
    ("prompt_id", pa.string()),
    ("prompt", pa.string()),
    ("response", pa.string()),
    ("prompt_tokens", pa.list_(pa.int32())),
    ("response_tokens", pa.list_(pa.int32())),
    ("stop_token", pa.int32()),
]


CELL = [
    ("base", pa.string()),
    ("alignment_side", pa.string()),
    ("alignment_recipe", pa.string()),
    ("inverse_recipe", pa.string()),
    ("seed", pa.int64()),
    ("alignment_size", pa.int64()),
    ("inverse_size", pa.int64()),
]
"""Columns of a cell of a rebound experiment; for the base model itself, all but ``base`` are null."""


_REALIGNMENT = [("realignment_size", pa.int64()), ("realignment_recipe", pa.string())]
"""Columns of a realignment stage; null for cells without one."""


_DRAW = ("draw", pa.int64())
"""The number of a response among those of one model to one prompt, from 0. Only base models have more than one."""


RESPONSES = pa.schema([*CELL, *_REALIGNMENT, _DRAW, *_RESPONSE])
"""Generated text and the tokens that were drawn; ``stop_token`` ended the response; null: it was cut off."""


SCORES = pa.schema([*CELL, *_REALIGNMENT, _DRAW, ("prompt_id", pa.string()), ("score", pa.float64())])


DIVERGENCES = pa.schema(
    [*CELL, ("prompt_id", pa.string()), ("tokens", pa.int64()), ("nats", pa.float64())],
)
"""The KL divergence of a cell's model from its base model, summed over the tokens of one of its own responses."""


TEXT_STATISTICS = pa.schema(
    [
        *CELL,
        ("prompt_id", pa.string()),
        ("response_tokens", pa.list_(pa.int32())),
        ("finished", pa.bool_()),
        ("repetition", pa.float64()),
        ("coded_tokens", pa.int64()),
        ("base_nats", pa.float64()),
    ]
)
"""One row per response: its tokens, the share of its 3-grams that occurred before in it (NaN if it has none), and its
code length in nats under the base model given the prompt, over ``coded_tokens`` tokens, which include the stop token.
Of a base model they are the responses of draw 0."""


COMPRESSION = pa.schema(
    [
        *CELL,
        ("corpus", pa.string()),
        ("id", pa.string()),
        ("tokens", pa.int64()),
        ("utf8_bytes", pa.int64()),
        ("nats", pa.float64()),
        ("entropy_nats", pa.float64()),
        ("base_entropy_nats", pa.float64()),
        ("cross_nats", pa.float64()),
        ("base_cross_nats", pa.float64()),
        ("to_base_nats", pa.float64()),
        ("from_base_nats", pa.float64()),
    ]
)
"""One row per held-out text and model of a cell (p), with its base model (q): sums over the tokens of the text.

These are the code length −log p(text), and over the whole vocabulary the entropies H(p) and H(q), the cross-entropies
H(p, q) and H(q, p), and the divergences KL(p || q) and KL(q || p). ``corpus`` is pretraining, alignment, perturbation
or control."""


LEAN = pa.schema(
    [
        *CELL,
        ("side", pa.string()),
        ("id", pa.string()),
        ("tokens", pa.int64()),
        ("utf8_bytes", pa.int64()),
        ("nats", pa.float64()),
    ]
)
"""One row per held-out text of the positive and of the negative side and model of a cell: the code length of the first
tokens of the response given its prompt, or of the text where there are no prompts, and the bytes that they cover."""


ARITHMETIC_CODING = pa.schema(
    [
        ("base", pa.string()),
        ("corpus", pa.string()),
        ("id", pa.string()),
        ("tokens", pa.int64()),
        ("utf8_bytes", pa.int64()),
        ("model_bits", pa.float64()),
        ("coded_bits", pa.int64()),
    ]
)
"""One row per held-out text: −log2 p(text) under a base model, and the length of the code that restores it, in bits."""


SLICE_RESPONSES = pa.schema([("slice", pa.int64()), *_RESPONSE])
"""Responses of the slices θ1, θ2, θ3: the twin data sets, and the texts that cross-entropies are measured on."""


CROSS_ENTROPIES = pa.schema(
    [
        ("start", pa.int64()),
        ("target", pa.int64()),
        ("examples", pa.int64()),
        ("prompt_id", pa.string()),
        ("tokens", pa.int64()),
        ("tuned_nats", pa.float64()),
        ("target_nats", pa.float64()),
        ("kl_nats", pa.float64()),
    ]
)
"""One row per response of slice ``target`` and per slice ``start`` tuned on so many of the target's responses.

The slice before tuning has 0 ``examples``. A row holds the code lengths in nats under the tuned model and under the
target, and KL(target || tuned) over the whole vocabulary, summed over the tokens of the response."""


CHOSEN = pa.schema(
    [
        ("responses", pa.string()),
        ("first", pa.int64()),
        ("second", pa.int64()),
        ("prompt_id", pa.string()),
        ("first_tokens", pa.int64()),
        ("first_nats", pa.float64()),
        ("second_tokens", pa.int64()),
        ("second_nats", pa.float64()),
        ("chosen", pa.bool_()),
    ]
)
"""One row per prompt and pair of slices, with the code length of each slice's response under the slice itself.

``chosen``: whether the equal-entropy control keeps the prompt for this pair. ``responses`` is ``twins``, which slices
are tuned on, or ``questions``, which they are measured on."""


def chosen_prompts(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, TuningPath], set[str]]:
    """Return the prompts to keep, from rows of schema ``CHOSEN``, for both paths of each pair and kind of responses."""
    found: dict[tuple[str, TuningPath], set[str]] = {}
    for row in rows:
        if row["chosen"]:
            for pair in ((row["first"], row["second"]), (row["second"], row["first"])):
                found.setdefault((row["responses"], pair), set()).add(row["prompt_id"])
    return found


BITS_PER_BYTE = pa.schema(
    [
        ("base", pa.string()),
        ("corpus", pa.string()),
        ("id", pa.string()),
        ("tokens", pa.int64()),
        ("utf8_bytes", pa.int64()),
        ("nats", pa.float64()),
    ]
)
"""One row per held-out text and base model: the code length, and the size of the text that it covers."""


FEATURES = pa.schema([("unit", pa.string()), ("feature", pa.string()), ("weight", pa.float64())])
"""A linear text classifier: one row per n-gram, and one with an empty ``feature`` for the intercept.

``unit`` is ``word`` or ``character``: what n-grams are made of, the same in all rows."""
