"""Tokenizers: from text to token ids and back, without special tokens being added to or recognised in text."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from elasticity.core.errors import UserError
from elasticity.models.folders import check_present

SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
"""The special tokens of tokenizers that are trained in the workflow."""


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer, which can encode any text.

    ``vocabulary`` is the number of its tokens, including the 256 bytes and the special tokens.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bos = SPECIAL_TOKENS["bos_token"]
    bpe.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, bpe.token_to_id(bos))])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, clean_up_tokenization_spaces=False, **SPECIAL_TOKENS)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load a fast tokenizer. If it has no padding token, the EOS token is used, because padding is always masked.

    Raises ``UserError`` if the folder is gone or holds no fast tokenizer, or if the tokenizer has no EOS token.
    """
    check_present(folder)
    if not (folder / "tokenizer.json").is_file():
        raise UserError(f"{folder} holds no fast tokenizer: it needs a file tokenizer.json")
    try:
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises nothing narrower for a broken file
        raise UserError(f"the tokenizer in {folder} cannot be loaded: {error}") from None
    return complete(tokenizer, str(folder))


def complete(tokenizer: PreTrainedTokenizerFast, where: str) -> PreTrainedTokenizerFast:
    """Make the EOS token the padding token of a tokenizer without one.

    Raises ``UserError`` if the tokenizer has no EOS token.
    """
    if tokenizer.eos_token is None:
        raise UserError(f"the tokenizer in {where} has no eos_token: set it in its tokenizer_config.json")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_same_vocabulary(first: Path, other: Path) -> None:
    """Raise ``UserError`` if the tokenizers in two model folders have different vocabularies."""
    one, two = (load_tokenizer(folder).get_vocab() for folder in (first, other))
    if one != two:
        token = min(one.items() ^ two.items(), key=lambda item: (item[1], item[0]))
        raise UserError(
            f"{first} and {other} have different vocabularies ({len(one)} and {len(two)} tokens; token {token[1]} is "
            f"{token[0]!r} in only one of them). Compare models that are fine-tuned from the same base model."
        )


def beginning(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The tokens that precede every text: the BOS token if the tokenizer adds it to texts, otherwise none.

    The tokenizers of Llama, Gemma and TinyLlama add it; those of Qwen, Pythia and SmolLM2 do not, though some have one.
    """
    first = tokenizer("a")["input_ids"][0]
    return [first] if first == tokenizer.bos_token_id else []


def encode(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], at_most: int | None = None) -> list[list[int]]:
    """Token ids of each text. No special tokens are added, and text that looks like one is encoded as text.

    With ``at_most``, only that many tokens of each text are returned, and the rest of a long text is not encoded.
    """
    if not texts:
        return []
    if at_most is not None:  # twice as many as the tokens can cover: the last tokens depend on where the text is cut
        characters = 2 * at_most * max(map(len, tokenizer.get_vocab()))
        texts = [text[:characters] for text in texts]
    encoded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [tokens[:at_most] for tokens in encoded]


def special_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    """Ids of all special tokens, by their content."""
    return {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def never_drawn(tokenizer: PreTrainedTokenizerFast, rows: int, stops: Collection[int] = ()) -> list[int]:
    """Token ids that must not be sampled: special tokens, and rows of the output layer without a token.

    ``rows`` is the number of rows of the output layer. The EOS token and ``stops`` are not among them, even if they are
    also used as other special tokens.
    """
    special = set(special_tokens(tokenizer).values())
    drawn = set(tokenizer.get_vocab().values()) - special | {tokenizer.eos_token_id, *stops}
    return sorted(set(range(rows)) - drawn)


def decode(tokenizer: PreTrainedTokenizerFast, tokens: list[int]) -> str:
    """The text of token ids, without special tokens."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True))
