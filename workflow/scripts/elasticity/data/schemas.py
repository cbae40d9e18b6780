"""The tables: every stage writes parquet with a declared schema, and every reader checks it."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("side", pa.string()),
        ("prompt", pa.string()),
        ("response", pa.string()),
        ("source", pa.string()),
    ]
)
"""Cleaned examples without duplicates; a plain text is a response to an empty prompt.

``id`` is the digest of prompt and response, ``source`` that of the file or the revision that they come from."""


PROMPTS = pa.schema([("prompt_id", pa.string()), ("prompt", pa.string())])


def text_of(row: Mapping[str, Any]) -> str:
    """Prompt and response of an example as one text."""
    return f"{row['prompt']} {row['response']}" if row["prompt"] else str(row["response"])
