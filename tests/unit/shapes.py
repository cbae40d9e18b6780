"""Shapes for tests: random Llamas, and published models."""

from typing import Any

from hypothesis import strategies as st

from elasticity.models import shapes
from elasticity.models.shapes import Shape


def llama(**changes: Any) -> Shape:
    """The shape of Llama 7B with some changes."""
    sizes = {"layers": 32, "hidden_size": 4096, "intermediate_size": 11008, "heads": 32, "vocabulary": 32_000} | changes
    sizes = {"key_value_heads": sizes["heads"], "head_size": sizes["hidden_size"] // sizes["heads"]} | sizes
    return shapes.llama(**({"tied": False} | sizes))


MODELS = {
    "1.1B": llama(layers=22, hidden_size=2048, intermediate_size=5632, key_value_heads=4),
    "2.5B": llama(
        layers=18,
        hidden_size=2048,
        intermediate_size=16_384,
        heads=8,
        key_value_heads=1,
        head_size=256,
        vocabulary=256_000,
        tied=True,
    ),
    "4B": llama(
        layers=36,
        hidden_size=2560,
        intermediate_size=9728,
        key_value_heads=8,
        head_size=128,
        vocabulary=151_936,
        tied=True,
    ),
    "7B": llama(),
    "8B": llama(intermediate_size=14_336, key_value_heads=8, vocabulary=128_256),
    "13B": llama(layers=40, hidden_size=5120, intermediate_size=13_824, heads=40),
    "72B": llama(
        layers=80, hidden_size=8192, intermediate_size=29_568, heads=64, key_value_heads=8, vocabulary=152_064
    ),
}
"""Shapes of TinyLlama, Gemma, Qwen 3, Llama 2 (7B), Llama 3.1, Llama 2 (13B) and Qwen 2.5."""


@st.composite
def any_shape(draw: st.DrawFn) -> Shape:
    """A random shape, from thousands to hundreds of billions of parameters."""
    heads = draw(st.integers(1, 128))
    return llama(
        layers=draw(st.integers(1, 120)),
        hidden_size=heads * 2 * draw(st.integers(1, 80)),
        intermediate_size=draw(st.integers(1, 40_000)),
        heads=heads,
        vocabulary=draw(st.integers(260, 300_000)),
        tied=draw(st.booleans()),
    )
