"""Token-by-token passes of a causal language model, with a key-value cache from which rows can be removed."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from typing_extensions import override


class Decoder:
    """The tokens of a batch of sequences, and the logits of the token after them.

    Contexts are padded on the left with token ``pad``; at most ``new_tokens`` are appended to them. A model whose
    ``forward`` takes no key-value cache reads all tokens again for every new one.
    """

    def __init__(self, model: PreTrainedModel, contexts: Sequence[Sequence[int]], pad: int, new_tokens: int) -> None:
        self.model = model
        width = max(map(len, contexts))
        padded = [[pad] * (width - len(context)) + list(context) for context in contexts]
        real = [[0] * (width - len(context)) + [1] * len(context) for context in contexts]
        self.tokens = torch.tensor(padded, device=model.device)
        self.attention = torch.tensor(real, device=model.device)
        self.taken = inspect.signature(model.forward).parameters
        self.cache = _cache(model, width + new_tokens) if "past_key_values" in self.taken else None

    def logits(self) -> torch.Tensor:
        """Return the logits of the next token in fp32, shape (sequences, vocabulary); only new tokens are read."""
        new = self.tokens.shape[1]
        options: dict[str, Any] = {"use_cache": self.cache is not None, "attention_mask": self.attention}
        if "position_ids" in self.taken:  # positions do not count the padding
            options["position_ids"] = (self.attention.cumsum(1) - 1).clamp(min=0)[:, -new:]
        if "logits_to_keep" in self.taken:
            options["logits_to_keep"] = 1
        if self.cache is not None:
            options["past_key_values"] = self.cache
        logits: torch.Tensor = self.model(input_ids=self.tokens, **options).logits[:, -1]
        return logits.float()

    def append(self, tokens: torch.Tensor) -> None:
        """Add one token, of shape (sequences,), to each sequence."""
        new = tokens[:, None]
        self.tokens = new if self.cache is not None else torch.cat([self.tokens, new], 1)
        self.attention = torch.nn.functional.pad(self.attention, (0, 1), value=1)

    def keep(self, rows: torch.Tensor) -> None:
        """Remove all sequences but those at these rows."""
        self.tokens, self.attention = self.tokens[rows], self.attention[rows]
        if self.cache is not None:
            self.cache.reorder_cache(rows)  # type: ignore[arg-type]


def _cache(model: PreTrainedModel, tokens: int) -> DynamicCache:
    """Return an empty cache; layers with full attention allocate memory for ``tokens`` tokens at once."""
    cache = DynamicCache(config=model.config)
    cache.layers = [_Allocated(tokens) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class _Allocated(DynamicLayer):
    """Keys and values of one layer, written into memory that is allocated once.

    The layer of transformers concatenates, which copies the whole cache for every token.
    """

    def __init__(self, tokens: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.room = tokens
        self.length = 0

    @override
    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows, heads, new, size = key_states.shape
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.all_keys = key_states.new_empty(rows, heads, self.room, size)
            self.all_values = value_states.new_empty(rows, heads, self.room, value_states.shape[3])
        before, self.length = self.length, self.length + new
        self.all_keys[:, :, before : self.length] = key_states
        self.all_values[:, :, before : self.length] = value_states
        self._view()
        return self.all_keys[:, :, : self.length], self.all_values[:, :, : self.length]

    @override
    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        self.all_keys, self.all_values = (all_[beam_idx] for all_ in (self.all_keys, self.all_values))
        self._view()

    def _view(self) -> None:
        self.keys, self.values = (all_[:, :, : self.length] for all_ in (self.all_keys, self.all_values))
