"""Schemas of the parquet tables that training writes; readers check them."""

import pyarrow as pa

from elasticity.evaluation.schemas import CELL

AMOUNTS = pa.schema(
    [
        *CELL,
        ("pretraining_tokens", pa.int64()),
        ("alignment_tokens", pa.int64()),
        ("perturbation_tokens", pa.int64()),
    ]
)
"""Sizes |D1|, |D2|, |D3| of the corpora that a cell's model was trained on: target tokens, each counted once."""


LOSSES = pa.schema(
    [
        ("update", pa.int64()),
        ("examples", pa.int64()),
        ("tokens", pa.int64()),
        ("learning_rate", pa.float64()),
        ("loss", pa.float64()),
    ]
)
"""One row per optimizer update: its examples and target tokens, and the mean objective of the batch before the update.

In supervised fine-tuning the objective is in nats per target token."""
