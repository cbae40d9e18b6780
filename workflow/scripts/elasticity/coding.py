"""Texts packed by an arithmetic coder with a language model, and restored."""

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.arithmetic_coding import Probabilities, decode, encode
from elasticity.compression import start
from elasticity.compression_settings import Reading
from elasticity.tokenization import encode as tokenize


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
