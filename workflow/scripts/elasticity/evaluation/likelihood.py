"""Code lengths of responses given their prompts, and KL divergences between models on responses."""

from collections.abc import Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from elasticity.data.examples import IGNORED, Batch, Example, collate


def code_lengths(model: PreTrainedModel, examples: Sequence[Example], pad: int, batch_size: int = 64) -> list[float]:
    """Return −Σ log p(token | tokens before it) over the targets of each example, in nats, in the order given.

    The model computes in fp32, as in generation: errors of bf16 are as large as the differences to be measured.
    """
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
    lengths = [0.0] * len(examples)
    model.eval()
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        batch = collate([examples[i] for i in places], pad).to(model.device)
        with torch.inference_mode():
            logits = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits
        nats = functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), batch.labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="none"
        )
        for i, total in zip(places, nats.view(len(places), -1).double().sum(1).tolist(), strict=True):
            lengths[i] = total
    return lengths


def divergences(
    model: PreTrainedModel, other: PreTrainedModel, examples: Sequence[Example], pad: int, batch_size: int = 8
) -> list[float]:
    """Return KL(model || other) in nats, summed over the targets of each example, in the order given.

    At each target the whole distributions of the next token are compared: the sum of p log(p / q) over the vocabulary,
    with p of ``model`` and q of ``other``. If the responses were drawn from the model without truncation, the
    expectation over responses is the divergence of the two distributions over responses (chain rule), with less noise
    than log p - log q of the drawn tokens. The computation is in double precision, so that results are never negative:
    in single precision, the rounding of log p alone is as large as the divergence of a model that was hardly trained.
    """
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
    found = [0.0] * len(examples)
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        batch = collate([examples[i] for i in places], pad).to(model.device)
        mine, others = _logits(model, batch), _logits(other, batch)
        for row, i in enumerate(places):  # one at a time: the distributions of a whole batch would take much memory
            targets = batch.labels[row, 1:] != IGNORED
            log_p, log_q = (functional.log_softmax(logits[row][targets].double(), -1) for logits in (mine, others))
            found[i] = float(functional.kl_div(log_q, log_p, reduction="sum", log_target=True))
    return found


def _logits(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the logits of the next token at every place but the last, shape (examples, tokens - 1, vocabulary)."""
    with torch.inference_mode():
        logits: torch.Tensor = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits
    return logits[:, :-1]
