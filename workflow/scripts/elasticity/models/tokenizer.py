"""Tokenizers, without torch: text to token ids and back, with no special tokens added or recognised."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from elasticity.core.errors import UserError

SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE with this many tokens, bytes and special tokens included: any text can be encoded."""
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
    """Load a fast tokenizer. Where it has no token for padding, the EOS token serves: padding is always masked.

    Raises ``UserError`` if there is none, or if it has no EOS token.
    """
    if not (folder / "tokenizer.json").is_file():
        raise UserError(f"{folder} holds no fast tokenizer: it needs a tokenizer.json")
    try:
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises nothing narrower for a broken file
        raise UserError(f"the tokenizer in {folder} cannot be loaded: {error}") from None
    return complete(tokenizer, str(folder))


def complete(tokenizer: PreTrainedTokenizerFast, where: str) -> PreTrainedTokenizerFast:
    """The same tokenizer with a token for padding. Raises ``UserError`` if it has no EOS token."""
    if tokenizer.eos_token is None:
        raise UserError(f"the tokenizer in {where} has no eos_token: set it in tokenizer_config.json")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def check_same_vocabulary(first: Path, other: Path) -> None:
    """Raise ``UserError`` if two model folders do not share their tokens, so that neither can measure the other's."""
    one, two = (load_tokenizer(folder).get_vocab() for folder in (first, other))
    if one != two:
        token = min(one.items() ^ two.items(), key=lambda item: (item[1], item[0]))
        raise UserError(
            f"{first} and {other} have different vocabularies ({len(one)} and {len(two)} tokens; token {token[1]} is "
            f"{token[0]!r} in one of them only). Compare models that are tuned from the same base."
        )


def beginning(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """What stands before every text: the beginning token if the tokenizer itself puts it there, or nothing.

    Llama, Gemma and TinyLlama begin texts with a token; Qwen, Pythia and SmolLM2 do not, though some have one.
    """
    first = tokenizer("a")["input_ids"][0]
    return [first] if first == tokenizer.bos_token_id else []


def encode(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], at_most: int | None = None) -> list[list[int]]:
    """Token ids of each text without special tokens; text that looks like a special token is taken as text.

    With ``at_most``, only so many tokens of each: the rest of a text of megabytes, which takes seconds, is not read.
    """
    if not texts:
        return []
    if at_most is not None:  # twice what they can cover, because the last tokens depend on where the text ends
        characters = 2 * at_most * max(map(len, tokenizer.get_vocab()))
        texts = [text[:characters] for text in texts]
    encoded: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [tokens[:at_most] for tokens in encoded]


def special_tokens(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    """The tokens that no text contains, by what they look like: those with a name, and all others of their kind."""
    return {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def never_drawn(tokenizer: PreTrainedTokenizerFast, rows: int) -> list[int]:
    """Token ids below ``rows``, those of a model, that no response contains: special tokens, and rows without a token.

    The EOS token is none of them, also where it serves as another one.
    """
    special = set(special_tokens(tokenizer).values())
    drawn = set(tokenizer.get_vocab().values()) - special | {tokenizer.eos_token_id}
    return sorted(set(range(rows)) - drawn)


def decode(tokenizer: PreTrainedTokenizerFast, tokens: list[int]) -> str:
    """The text of tokens, special tokens left out."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True))
