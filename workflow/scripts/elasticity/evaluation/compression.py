"""Compression rates: the code lengths of whole texts under a model, and how far it is from its base model on them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.compression import Reading
from elasticity.core.errors import UserError
from elasticity.data.examples import IGNORED, Example, collate
from elasticity.models.tokenizer import beginning, encode

AT_ONCE = {"cpu": (2**22, 2**18), "cuda": (2**26, 2**24)}
"""Numbers at a model's output in one pass, in single precision; and those in work after it, in double precision.

Few on a processor, whose caches should hold them; on a GPU about a gigabyte together.
"""


Rates = dict[str, float]
"""The sums over a text that schema ``COMPRESSION`` names, in nats."""


SUMS = (
    "nats",
    "entropy_nats",
    "base_entropy_nats",
    "cross_nats",
    "base_cross_nats",
    "to_base_nats",
    "from_base_nats",
)


def read_texts(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, reading: Reading) -> list[list[Example]]:
    """The windows of each text, all its tokens included and no special ones; an empty text has none."""
    first = start(tokenizer)
    return [windows(tokens, first, reading) for tokens in encode(tokenizer, texts)]


def start(tokenizer: PreTrainedTokenizerFast) -> int:
    """What every window begins with: the BOS token; or that of the end, where texts have none.

    Between texts of pre-training there was that of the end, so it tells a model of a text that begins.
    """
    (token,) = beginning(tokenizer) or [tokenizer.eos_token_id]
    return int(token)


def check_window(reading: Reading, model: PreTrainedModel, folder: Path) -> None:
    """Raise ``UserError`` if windows are wider than the model can read: some fail there, others predict nonsense."""
    longest = getattr(model.config, "max_position_embeddings", None) or reading.window
    if reading.window > longest:
        raise UserError(
            f"compression.window is {reading.window}, but the model in {folder} reads {longest} tokens: lower it"
        )


def windows(tokens: Sequence[int], first: int, reading: Reading) -> list[Example]:
    """Windows over the tokens of a text, each with ``first`` before it; every token is the target of exactly one."""
    found, done, begin = list[Example](), 0, 0
    while done < len(tokens):
        held = tokens[begin : begin + reading.window - 1]
        found.append(Example([first, *held], 1 + done - begin))
        done, begin = begin + len(held), begin + reading.stride
    return found


def targets(windows: Sequence[Example]) -> int:
    """How many tokens the windows of a text predict: all of it."""
    return sum(len(window.tokens) - window.response_start for window in windows)


def rates(model: PreTrainedModel, base: PreTrainedModel, texts: Sequence[Sequence[Example]], pad: int) -> list[Rates]:
    """Sums over the targets of each text, given as its windows: p is the model, q its base, which may be itself.

    Everything is computed from its own formula in double precision, so that H(p, q) = H(p) + KL(p || q) and
    H(q, p) = H(q) + KL(q || p) check it.
    """
    found = torch.zeros(len(texts), len(SUMS), dtype=torch.float64)
    passed, in_work = AT_ONCE[model.device.type]
    for places in _batches(texts, passed // model.config.vocab_size):
        batch = collate([texts[i][j] for i, j in places], pad).to(model.device)
        with torch.inference_mode():
            asked = {"input_ids": batch.tokens, "attention_mask": batch.attention, "use_cache": False}
            mine = model(**asked).logits
            others = mine if base is model else base(**asked).logits
            labels = batch.labels[:, 1:]
            for part in (labels != IGNORED).nonzero().split(max(1, in_work // mine.shape[-1])):
                window, place = part.unbind(1)
                sums = _sums(mine[window, place], others[window, place], labels[window, place])
                owners = torch.tensor([i for i, _ in places])[window.cpu()]
                found.index_add_(0, owners, sums.cpu())
    return [dict(zip(SUMS, sums, strict=True)) for sums in found.tolist()]


def _batches(texts: Sequence[Sequence[Example]], tokens: int) -> Iterator[list[tuple[int, int]]]:
    """Places of windows of about the same length, of at most so many tokens together, or of one."""
    places = [(i, j) for i, text in enumerate(texts) for j in range(len(text))]
    places.sort(key=lambda place: len(texts[place[0]][place[1]].tokens))
    while places:
        i, j = places[-1]
        count = max(1, tokens // len(texts[i][j].tokens))
        yield places[-count:]
        del places[-count:]


def _sums(mine: torch.Tensor, others: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """For logits of shape (places, vocabulary): what ``SUMS`` names at each place, shape (places, sums)."""
    log_p, log_q = (functional.log_softmax(logits.double(), -1) for logits in (mine, others))
    p, q, difference = log_p.exp(), log_q.exp(), log_p - log_q
    dot = torch.linalg.vecdot
    return torch.stack(
        [
            -log_p.gather(1, targets[:, None])[:, 0],
            -dot(p, log_p),
            -dot(q, log_q),
            -dot(p, log_q),
            -dot(q, log_p),
            dot(p, difference),
            -dot(q, difference),
        ],
        dim=1,
    )
