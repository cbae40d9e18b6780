"""An arithmetic coder: symbols to bytes and back, with a distribution for each symbol (Witten, Neal and Cleary, 1987).

The coder computes with integers, so only the distributions depend on rounding. Probabilities have 48 bits; with the 24
or 32 bits of most libraries, a code is about a hundredth of a bit per token longer if the vocabulary is large.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.compression import Reading
from elasticity.evaluation.compression import start
from elasticity.models.tokenizer import encode as tokenize

Probabilities = np.ndarray[Any, np.dtype[np.float64]]


Bounds = np.ndarray[Any, np.dtype[np.int64]]


SCALE = 2**48
"""Factor that turns probabilities into integers."""


WIDEST, NARROWEST = 2**96, 2**80
"""Initial width of the interval, and the width below which it is rescaled by whole bytes."""


BYTES = 12
"""Number of bytes that hold the widest interval."""


class Predictor(Protocol):
    """Predicts the next symbol from those that it has seen."""

    def predict(self) -> Probabilities:
        """Return the probabilities of the next symbol, shape (symbols,)."""

    def see(self, symbol: int) -> None:
        """Add the next symbol to those seen."""


def encode(symbols: Sequence[int], predictor: Predictor) -> bytes:
    """Return the code of symbols: a number in their interval, as the bytes of its fraction without trailing zeros.

    The code has at most Σ −log2 p + 8 bits, and about 1e-9 bits more for each symbol by rounding.
    """
    low, width, shifted = 0, WIDEST, 0
    for symbol in symbols:
        bounds = _bounds(predictor.predict())
        unit = width // int(bounds[-1])
        low += unit * int(bounds[symbol])
        width = unit * int(bounds[symbol + 1] - bounds[symbol])
        while width < NARROWEST:
            low, width, shifted = low << 8, width << 8, shifted + 1
        predictor.see(symbol)
    spare = (width.bit_length() - 1) // 8  # this many trailing bytes are arbitrary
    number = -(-low >> 8 * spare)
    return number.to_bytes(BYTES + shifted - spare, "big").rstrip(b"\0")


def decode(code: bytes, count: int, predictor: Predictor) -> list[int]:
    """Return the ``count`` symbols of a code; the predictor must predict exactly what the encoder's predicted."""
    rest = iter(code[BYTES:])
    offset, width = int.from_bytes(code[:BYTES].ljust(BYTES, b"\0"), "big"), WIDEST
    symbols = []
    for _ in range(count):
        bounds = _bounds(predictor.predict())
        unit = width // int(bounds[-1])
        symbol = int(np.searchsorted(bounds[:-1], offset // unit, side="right")) - 1
        offset -= unit * int(bounds[symbol])
        width = unit * int(bounds[symbol + 1] - bounds[symbol])
        while width < NARROWEST:
            offset, width = offset << 8 | next(rest, 0), width << 8
        symbols.append(symbol)
        predictor.see(symbol)
    return symbols


def _bounds(probabilities: Probabilities) -> Bounds:
    """Return where the sub-interval of each symbol begins, and where the last one ends; none is empty."""
    parts = np.floor(probabilities * (SCALE - len(probabilities))).astype(np.int64) + 1
    return np.concatenate([[0], np.cumsum(parts)])


class ModelPredictor:
    """Predicts tokens with a model, over the same windows as compression rates are measured on.

    Encoder and decoder make the same calls with the same inputs, so their distributions are bit-identical.
    """

    def __init__(self, model: PreTrainedModel, first: int, reading: Reading) -> None:
        self._model, self._first, self._reading = model, first, reading
        self._tokens, self._begin = list[int](), 0
        self._unread, self._cache = [first], None

    def see(self, symbol: int) -> None:
        """Add the next token to those seen."""
        self._tokens.append(symbol)
        self._unread.append(symbol)

    def predict(self) -> Probabilities:
        """Return the probabilities of the next token in double precision, shape (vocabulary,)."""
        if len(self._tokens) - self._begin == self._reading.window - 1:
            self._begin += self._reading.stride
            self._unread, self._cache = [self._first, *self._tokens[self._begin :]], None
        tokens = torch.tensor([self._unread], device=self._model.device)
        with torch.inference_mode():
            read = self._model(input_ids=tokens, past_key_values=self._cache, use_cache=True)
        self._unread, self._cache = [], read.past_key_values
        found: Probabilities = read.logits[0, -1].double().softmax(-1).cpu().numpy()
        return found


def pack(text: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, reading: Reading) -> tuple[bytes, int]:
    """Return the code of a text and the number of its tokens."""
    (tokens,) = tokenize(tokenizer, [text])
    return encode(tokens, ModelPredictor(model, start(tokenizer), reading)), len(tokens)


def unpack(
    code: bytes, count: int, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, reading: Reading
) -> str:
    """Return the text whose code of ``count`` tokens ``pack`` returned."""
    tokens = decode(code, count, ModelPredictor(model, start(tokenizer), reading))
    return str(tokenizer.decode(tokens, clean_up_tokenization_spaces=False))
