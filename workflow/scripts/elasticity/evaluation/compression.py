"""Compression rates: code lengths of whole texts under a model, and its divergence from the base model on them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.nn import functional
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.compression import Reading
from elasticity.core.errors import UserError
from elasticity.data.examples import Example, collate
from elasticity.evaluation.passes import measuring, over_targets
from elasticity.models.tokenizer import beginning, encode

AT_ONCE = {"cpu": (2**11, 2**18), "cuda": (2**15, 2**24)}
"""Most tokens of one pass, and most logits that are processed at once after it (in double precision).

On a CPU the logits should fit into its caches. Fewer than ``FEWEST`` targets are not processed at once: with a large
vocabulary, reading the weights of the output layer would take longer than computing with them.
"""


FEWEST = 16
"""Fewest targets that are processed at once."""


Rates = dict[str, float]
"""The sums over a text that schema ``COMPRESSION`` describes, in nats."""


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
    """Return the windows over all tokens of each text, without special tokens; an empty text has no windows."""
    first = start(tokenizer)
    return [windows(tokens, first, reading) for tokens in encode(tokenizer, texts)]


def start(tokenizer: PreTrainedTokenizerFast) -> int:
    """Return the token that every window begins with: the BOS token, or the EOS token where texts have no BOS token.

    In pre-training the EOS token separates texts, so the model reads it as the start of a text.
    """
    (token,) = beginning(tokenizer) or [tokenizer.eos_token_id]
    return int(token)


def check_window(reading: Reading, model: PreTrainedModel, folder: Path) -> None:
    """Raise ``UserError`` if windows are longer than the context of the model."""
    longest = getattr(model.config, "max_position_embeddings", None) or reading.window
    if reading.window > longest:
        raise UserError(
            f"compression.window is {reading.window}, but the model in {folder} reads {longest} tokens: lower it"
        )


def windows(tokens: Sequence[int], first: int, reading: Reading) -> list[Example]:
    """Return windows over the tokens of a text, each starting with ``first``.

    Every token is a target in exactly one window.
    """
    found, done, begin = list[Example](), 0, 0
    while done < len(tokens):
        held = tokens[begin : begin + reading.window - 1]
        found.append(Example([first, *held], 1 + done - begin))
        done, begin = begin + len(held), begin + reading.stride
    return found


def targets(windows: Sequence[Example]) -> int:
    """Return the number of targets in the windows of a text, which is the number of its tokens."""
    return sum(len(window.tokens) - window.response_start for window in windows)


def rates(model: PreTrainedModel, base: PreTrainedModel, texts: Sequence[Sequence[Example]], pad: int) -> list[Rates]:
    """Return the sums over the targets of each text, which is given as its windows.

    p is ``model`` and q is ``base``, which may be the same object. Each quantity is computed by its own formula in
    double precision, so that H(p, q) = H(p) + KL(p || q) and H(q, p) = H(q) + KL(q || p) are checks.
    """
    found = torch.zeros(len(texts), len(SUMS), dtype=torch.float64)
    tokens, logits = AT_ONCE[model.device.type]
    at_once = max(logits, FEWEST * model.config.vocab_size)
    for places in _batches(texts, tokens):
        batch = collate([texts[i][j] for i, j in places], pad).to(model.device)
        with measuring(model, base):
            if base is model:
                sums = over_targets(lambda mine, labels: _sums(mine, mine, labels), [model], batch, at_once)
            else:
                sums = over_targets(_sums, [model, base], batch, at_once)
        owners = [i for i, j in places for _ in range(targets([texts[i][j]]))]
        found.index_add_(0, torch.tensor(owners), sums.cpu())
    return [dict(zip(SUMS, sums, strict=True)) for sums in found.tolist()]


def _batches(texts: Sequence[Sequence[Example]], tokens: int) -> Iterator[list[tuple[int, int]]]:
    """Yield batches of (text, window) indices: similar lengths, at most ``tokens`` tokens or a single window."""
    places = [(i, j) for i, text in enumerate(texts) for j in range(len(text))]
    places.sort(key=lambda place: len(texts[place[0]][place[1]].tokens))
    while places:
        i, j = places[-1]
        count = max(1, tokens // len(texts[i][j].tokens))
        yield places[-count:]
        del places[-count:]


def _sums(mine: torch.Tensor, others: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the quantities of ``SUMS`` at each place, shape (places, sums); logits are (places, vocabulary)."""
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
