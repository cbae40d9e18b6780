"""Code lengths of responses given their prompts, and KL divergences between models on responses."""

from collections.abc import Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from elasticity.data.examples import Example, collate
from elasticity.evaluation.passes import measuring, over_targets

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
            nats = over_targets(_nats, [model], batch, LOGITS_AT_ONCE[model.device.type])
        for i, of_example in zip(places, nats.double().split(_targets(examples, places)), strict=True):
            lengths[i] = of_example.sum().item()
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
        with measuring(model, other):
            nats = over_targets(_divergences, [model, other], batch, LOGITS_AT_ONCE[model.device.type])
        for i, of_example in zip(places, nats.split(_targets(examples, places)), strict=True):
            found[i] = of_example.sum().item()
    return found


def _targets(examples: Sequence[Example], places: Sequence[int]) -> list[int]:
    """Return the number of targets of the examples at these places."""
    return [len(examples[i].tokens) - examples[i].response_start for i in places]


def _nats(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits.float(), labels, reduction="none")


def _divergences(mine: torch.Tensor, others: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return KL(p || q) of each pair of distributions, shape (targets,)."""
    log_p, log_q = (functional.log_softmax(logits.double(), -1) for logits in (mine, others))
    return functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
