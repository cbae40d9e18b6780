"""The tables: every stage writes parquet with a declared schema, and every reader checks it."""

import pyarrow as pa

_RESPONSE = [
    ("prompt_id", pa.string()),
    ("prompt", pa.string()),
    ("response", pa.string()),
    ("prompt_tokens", pa.list_(pa.int32())),
    ("response_tokens", pa.list_(pa.int32())),
    ("finished", pa.bool_()),
]


_CELL = [
    ("base", pa.string()),
    ("alignment_side", pa.string()),
    ("alignment_recipe", pa.string()),
    ("inverse_recipe", pa.string()),
    ("seed", pa.int64()),
    ("alignment_size", pa.int64()),
    ("inverse_size", pa.int64()),
]
"""A cell of a rebound experiment; the base model itself has neither side, recipes, seed nor sizes."""


_REALIGNMENT = [("realignment_size", pa.int64()), ("realignment_recipe", pa.string())]
"""Back on the alignment stage; most cells have no realignment stage."""


RESPONSES = pa.schema(_CELL + _REALIGNMENT + _RESPONSE)
"""The generated text and the very tokens that were drawn; ``finished`` if the model ended the response itself."""


SCORES = pa.schema([*_CELL, *_REALIGNMENT, ("prompt_id", pa.string()), ("score", pa.float64())])


DIVERGENCES = pa.schema(
    [*_CELL, ("prompt_id", pa.string()), ("tokens", pa.int64()), ("nats", pa.float64())],
)
"""The KL divergence of a cell's model from its base model, summed over the tokens of one of its own responses."""


TEXT_STATISTICS = pa.schema(
    [
        *_CELL,
        ("prompt_id", pa.string()),
        ("response_tokens", pa.list_(pa.int32())),
        ("finished", pa.bool_()),
        ("repetition", pa.float64()),
        ("coded_tokens", pa.int64()),
        ("base_nats", pa.float64()),
    ]
)
"""One response beside its score: its tokens, the share of its 3-grams that occurred before in it (NaN: it has none), and
its code length in nats under the base model given the prompt, which covers ``coded_tokens``: an EOS token counts."""


COMPRESSION = pa.schema(
    [
        *_CELL,
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
"""One held-out text under a cell's model (p) beside its base model (q), summed over the text's tokens: its code length
−log p(text), and over the whole vocabulary the entropies H(p) and H(q), the cross-entropies H(p, q) and H(q, p), and
the divergences KL(p || q) and KL(q || p). ``corpus`` is pretraining, alignment, perturbation or control."""


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
"""One held-out text, its code length −log2 p(text) under a base model, and the length of the code that restores it."""


SLICE_RESPONSES = pa.schema([("slice", pa.int64()), *_RESPONSE])
"""Responses of the slices θ1, θ2, θ3: the twin data sets, and the texts that cross-entropies are measured on."""


CROSS_ENTROPIES = pa.schema(
    [
        ("start", pa.int64()),
        ("target", pa.int64()),
        ("prompt_id", pa.string()),
        ("tokens", pa.int64()),
        ("tuned_nats", pa.float64()),
        ("target_nats", pa.float64()),
        ("kl_nats", pa.float64()),
    ]
)
"""Slice ``start`` tuned on the responses of slice ``target``: code lengths (nats) of one response of the target's, under
the tuned model and under the target itself; and KL(target || tuned) over the whole vocabulary at each of its tokens."""


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
"""One prompt and two slices: the code length of each one's response under itself, and whether the equal-entropy control
keeps the prompt for this pair. ``responses`` is twins or questions."""


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
"""Code length of one held-out text under a base model, and the size of the text that it covers."""


FEATURES = pa.schema([("feature", pa.string()), ("idf", pa.float64()), ("weight", pa.float64())])
"""A linear text classifier."""
