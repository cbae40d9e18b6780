"""A model that is only a bias: the distribution of the next token does not depend on the context."""

from types import SimpleNamespace
from typing import Any

import torch


class Bias(torch.nn.Module):
    """Logits of every next token; log-probabilities and gradients have closed forms."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.tensor(logits))
        self.config = SimpleNamespace(vocab_size=len(logits))

    @property
    def base_model(self) -> torch.nn.Module:
        """The model itself, as in transformers for a model without a base."""
        return self

    def forward(self, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.bias.expand(*input_ids.shape, -1))
