"""Alpaca: instructions with an optional input, each with one output."""

from collections.abc import Iterable

from elasticity.config.formats import NEUTRAL, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.rows import read_instruction, read_text


@data_format("alpaca", __name__, sides=NEUTRAL, has_prompts=True)
def alpaca(row: Row) -> Iterable[Raw]:
    """One neutral example: instruction and input are the prompt, the output is the response."""
    yield Raw(read_instruction(row, row), read_text(row, "output"), "neutral")
