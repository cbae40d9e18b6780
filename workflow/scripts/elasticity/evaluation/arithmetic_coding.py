"""An arithmetic coder: symbols to bytes and back, with a distribution for each symbol (Witten, Neal and Cleary, 1987).

Whole numbers throughout, so nothing depends on rounding but the distributions themselves. Distributions have 48 bits;
coders with 24 or 32, which most libraries have, give away a hundredth of a bit a token where the vocabulary is large.
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
"""What probabilities are multiplied by."""


WIDEST, NARROWEST = 2**96, 2**80
"""The interval is widened by whole bytes as soon as it is narrower than the second; the first is what it begins as."""


BYTES = 12
"""That hold the widest interval."""


class Predictor(Protocol):
    """What tells the distribution of the next symbol, given those that it has seen."""

    def predict(self) -> Probabilities:
        """Of the next symbol, one for each symbol."""

    def see(self, symbol: int) -> None:
        """The next symbol."""


def encode(symbols: Sequence[int], predictor: Predictor) -> bytes:
    """A number in the interval of the symbols, as its bytes behind the point, without zeros at the end.

    The code takes at most Σ −log2 p bits and 8 more; and billionths of a bit for each symbol, by rounding.
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
    spare = (width.bit_length() - 1) // 8  # so many bytes at the end may be anything
    number = -(-low >> 8 * spare)
    return number.to_bytes(BYTES + shifted - spare, "big").rstrip(b"\0")


def decode(code: bytes, count: int, predictor: Predictor) -> list[int]:
    """The symbols of a code, ``count`` of them, by a predictor that predicts as that of the encoder did."""
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
    """Where the parts of the interval that belong to the symbols begin, and where the last ends; none is empty."""
    parts = np.floor(probabilities * (SCALE - len(probabilities))).astype(np.int64) + 1
    return np.concatenate([[0], np.cumsum(parts)])


class ModelPredictor:
    """A model that reads tokens one by one, through the windows that compression rates are measured with.

    Encoder and decoder make the same calls with the same numbers, so that their distributions are equal bit by bit.
    """

    def __init__(self, model: PreTrainedModel, first: int, reading: Reading) -> None:
        self._model, self._first, self._reading = model, first, reading
        self._tokens, self._begin = list[int](), 0
        self._unread, self._cache = [first], None

    def see(self, symbol: int) -> None:
        """The next token."""
        self._tokens.append(symbol)
        self._unread.append(symbol)

    def predict(self) -> Probabilities:
        """Of the next token, in double precision."""
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
    """The code of a text, and the number of its tokens."""
    (tokens,) = tokenize(tokenizer, [text])
    return encode(tokens, ModelPredictor(model, start(tokenizer), reading)), len(tokens)


def unpack(
    code: bytes, count: int, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, reading: Reading
) -> str:
    """The text of a code of so many tokens."""
    tokens = decode(code, count, ModelPredictor(model, start(tokenizer), reading))
    return str(tokenizer.decode(tokens, clean_up_tokenization_spaces=False))
