"""Schemas of the tables of examples and prompts, which every reader checks."""

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
"""Cleaned examples without duplicates. A plain text is a response to an empty prompt.

``id`` is a digest of prompt and response; ``source`` is the SHA-256 of the file that the example is from, or the
repository and revision.
"""


PROMPTS = pa.schema([("prompt_id", pa.string()), ("prompt", pa.string())])
"""Prompts, each with the ``id`` of the example that it is from."""


def text_of(row: Mapping[str, Any]) -> str:
    """The prompt and the response of an example, joined by a space; the response alone if there is no prompt."""
    return f"{row['prompt']} {row['response']}" if row["prompt"] else str(row["response"])
