"""Tokenizers, without torch: text to token ids and back, with no special tokens added or recognised."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from elasticity.errors import UserError

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
    return PreTrainedTokenizerFast(tokenizer_object=bpe, clean_up_tokenization_spaces=False, **SPECIAL_TOKENS)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load a fast tokenizer that has tokens for beginning, end and padding.

    Raises ``UserError`` if there is none, or if one of these tokens is not set.
    """
    if not (folder / "tokenizer.json").is_file():
        raise UserError(f"{folder} holds no fast tokenizer: it needs a tokenizer.json")
    try:
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises nothing narrower for a broken file
        raise UserError(f"the tokenizer in {folder} cannot be loaded: {error}") from None
    missing = [name for name in SPECIAL_TOKENS if getattr(tokenizer, name) is None]
    if missing:
        raise UserError(f"the tokenizer in {folder} has no {', '.join(missing)}: set it in tokenizer_config.json")
    return tokenizer


def encode(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Token ids of each text without special tokens; text that looks like a special token is taken as text."""
    if not texts:
        return []
    encoded: list[list[int]] = tokenizer(texts, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return encoded


def never_drawn(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Special tokens that no text contains. The end token is none of them, also where it serves as another one."""
    return sorted({tokenizer.bos_token_id, tokenizer.pad_token_id} - {tokenizer.eos_token_id})


def decode(tokenizer: PreTrainedTokenizerFast, tokens: list[int]) -> str:
    """The text of tokens, special tokens left out."""
    return str(tokenizer.decode(tokens, skip_special_tokens=True))
