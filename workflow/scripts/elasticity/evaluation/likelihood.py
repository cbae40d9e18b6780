"""Code lengths of responses given their prompts, and KL divergences between models on responses."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from elasticity.data.examples import Example, collate
from elasticity.evaluation.passes import measuring, over_targets, surprisals

LOGITS_AT_ONCE = {"cpu": 2**22, "cuda": 2**26}
"""Most logits that are processed at once; a GPU should have more work at a time than fits into the caches of a CPU."""


def code_lengths(model: PreTrainedModel, examples: Sequence[Example], pad: int, batch_size: int = 64) -> list[float]:
    """Return −Σ log p(token | tokens before it) over the targets of each example, in nats, in the order given.

    The model computes in fp32, as in generation: errors of bf16 are as large as the differences to be measured.
    """
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
    lengths = [0.0] * len(examples)
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        batch = collate([examples[i] for i in places], pad).to(model.device)
        with measuring(model):
            nats = over_targets(surprisals, [model], batch, LOGITS_AT_ONCE[model.device.type])
        for i, of_example in zip(places, nats.double().split(_targets(examples, places)), strict=True):
            lengths[i] = of_example.sum().item()
    return lengths


class Comparison(NamedTuple):
    """Two models on one example, in nats over its targets: the code length under each, and KL(model || other)."""

    nats: float
    other_nats: float
    kl_nats: float


def compared(
    model: PreTrainedModel, other: PreTrainedModel, examples: Sequence[Example], pad: int, batch_size: int = 8
) -> list[Comparison]:
    """Compare two models on each example, in the order given; each model reads an example once.

    At each target the whole distributions of the next token are compared: the sum of p log(p / q) over the vocabulary,
    with p of ``model`` and q of ``other``. If the responses were drawn from the model without truncation, the
    expectation over responses is the divergence of the two distributions over responses (chain rule), with less noise
    than log p - log q of the drawn tokens. The computation is in double precision, so that results are never negative:
    in single precision, the rounding of log p alone is as large as the divergence of a model that was hardly trained.
    """
    order = sorted(range(len(examples)), key=lambda i: len(examples[i].tokens))
    found = [Comparison(0.0, 0.0, 0.0)] * len(examples)
    for first in range(0, len(order), batch_size):
        places = order[first : first + batch_size]
        batch = collate([examples[i] for i in places], pad).to(model.device)
        with measuring(model, other):
            nats = over_targets(_comparisons, [model, other], batch, LOGITS_AT_ONCE[model.device.type])
        for i, of_example in zip(places, nats.split(_targets(examples, places)), strict=True):
            found[i] = Comparison(*of_example.sum(0).tolist())
    return found


def divergences(
    model: PreTrainedModel, other: PreTrainedModel, examples: Sequence[Example], pad: int, batch_size: int = 8
) -> list[float]:
    """Return KL(model || other) in nats, summed over the targets of each example, in the order given."""
    return [pair.kl_nats for pair in compared(model, other, examples, pad, batch_size)]


def _targets(examples: Sequence[Example], places: Sequence[int]) -> list[int]:
    """Return the number of targets of the examples at these places."""
    return [len(examples[i].tokens) - examples[i].response_start for i in places]


def _comparisons(mine: torch.Tensor, others: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return −log p and −log q of each label, and KL(p || q) of the distributions, shape (targets, 3)."""
    log_p, log_q = (functional.log_softmax(logits.double(), -1) for logits in (mine, others))
    own, other = (-logs.gather(-1, labels[:, None])[:, 0] for logs in (log_p, log_q))
    return torch.stack([own, other, functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)], 1)
