"""Code lengths: how many nats a model needs for texts, given their prompts."""

from collections.abc import Sequence

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from elasticity.examples import IGNORED, Example, collate


def code_lengths(model: PreTrainedModel, examples: Sequence[Example], pad: int, batch_size: int = 64) -> list[float]:
    """−Σ log p(token | tokens before it) over the targets of each example, in nats, in the order given.

    In fp32, as answers are drawn: bf16 would add errors as large as the differences that are looked for.
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
