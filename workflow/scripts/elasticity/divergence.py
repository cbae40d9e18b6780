"""How far a model is from another one on its own answers: the Kullback-Leibler divergence, exact at every token."""

from collections.abc import Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from elasticity.examples import IGNORED, Batch, Example, collate


def divergences(
    model: PreTrainedModel, other: PreTrainedModel, examples: Sequence[Example], pad: int, batch_size: int = 8
) -> list[float]:
    """KL(model || other) in nats, summed over the target places of each example, in the order given.

    At each place the whole distributions of the next token are compared: sum of p log(p / q) over the vocabulary, with
    p the model's and q the other's. If the answers were drawn from the model without truncation, the expectation over
    answers is the divergence of the two distributions over answers (chain rule), with less noise than that of
    log p - log q of the tokens drawn, and it is never negative.
    """
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
    found = [0.0] * len(examples)
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        batch = collate([examples[i] for i in places], pad).to(model.device)
        mine, others = _log_probabilities(model, batch), _log_probabilities(other, batch)
        nats = functional.kl_div(others, mine, reduction="none", log_target=True).sum(-1, dtype=torch.float64)
        nats = nats.masked_fill(batch.labels[:, 1:] == IGNORED, 0.0)
        for i, total in zip(places, nats.sum(1).tolist(), strict=True):
            found[i] = total
    return found


def _log_probabilities(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Of the next token at every place but the last; shape (examples, tokens - 1, vocabulary)."""
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits
    return functional.log_softmax(logits[:, :-1].float(), -1)
