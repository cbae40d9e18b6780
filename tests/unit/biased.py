"""A model that is nothing but a bias: every token is drawn from one distribution, whatever came before."""

from types import SimpleNamespace
from typing import Any

import torch


class Bias(torch.nn.Module):
    """Logits of every next token; log-probabilities and gradients have closed forms."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.tensor(logits))

    def forward(self, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.bias.expand(*input_ids.shape, -1))
