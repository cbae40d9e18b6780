"""The tables: every stage writes parquet with a declared schema, and every reader checks it."""

import pyarrow as pa

from elasticity.evaluation.schemas import _CELL

AMOUNTS = pa.schema(
    [
        *_CELL,
        ("pretraining_tokens", pa.int64()),
        ("alignment_tokens", pa.int64()),
        ("perturbation_tokens", pa.int64()),
    ]
)
"""How much of each corpus a cell's model was trained on, |D1|, |D2|, |D3|: target tokens, each counted once."""


LOSSES = pa.schema(
    [
        ("update", pa.int64()),
        ("examples", pa.int64()),
        ("tokens", pa.int64()),
        ("learning_rate", pa.float64()),
        ("loss", pa.float64()),
    ]
)
"""One row an optimizer update: examples and target tokens in it, and the objective before it, a mean over the batch.

In supervised fine-tuning that is nats per target token."""
