"""The tables: every stage writes parquet with a declared schema, and every reader checks it."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("side", pa.string()),
        ("prompt", pa.string()),
        ("answer", pa.string()),
        ("source", pa.string()),
    ]
)
"""Cleaned examples without duplicates; a plain text is an answer to an empty prompt.

``id`` is the digest of prompt and answer, ``source`` that of the file or the revision that they come from."""


PROMPTS = pa.schema([("prompt_id", pa.string()), ("prompt", pa.string())])


def text_of(row: Mapping[str, Any]) -> str:
    """Prompt and answer of an example as one text."""
    return f"{row['prompt']} {row['answer']}" if row["prompt"] else str(row["answer"])
