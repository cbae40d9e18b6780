"""PKU-SafeRLHF: questions with two responses, each labelled as safe or unsafe; and pairs of one safe and one unsafe."""

from collections.abc import Iterable

from elasticity.config.formats import BOTH, Row, data_format
from elasticity.data.cleaning import Raw
from elasticity.data.rows import read_side, read_text


@data_format("pku-saferlhf", __name__, sides=BOTH, has_prompts=True)
def pku_saferlhf(row: Row) -> Iterable[Raw]:
    """Two examples with the same prompt; a safe response is positive."""
    prompt = read_text(row, "prompt")
    for number in (0, 1):
        yield Raw(prompt, read_text(row, f"response_{number}"), read_side(row, f"is_response_{number}_safe"))


@data_format("pku-saferlhf-pairs", __name__, sides=BOTH, has_prompts=True)
def pku_saferlhf_pairs(row: Row) -> Iterable[Raw]:
    """Two examples with the same prompt: the safe response is positive, the unsafe one negative."""
    prompt = read_text(row, "prompt")
    yield Raw(prompt, read_text(row, "safe"), "positive")
    yield Raw(prompt, read_text(row, "unsafe"), "negative")
