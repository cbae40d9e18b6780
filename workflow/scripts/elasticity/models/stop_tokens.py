"""The tokens that end a response. A model may have several: EOS of texts, and the end of a turn.

They are kept where transformers and vLLM look for them too, in ``eos_token_id`` of ``generation_config.json``.
"""

from collections.abc import Iterator

from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.templates import ChatTemplate
from elasticity.models.chats import ending


def stop_tokens(settings: GenerationConfig | None, tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """The tokens that end a response of a model with these generation settings: theirs, and the tokenizer's EOS."""
    return frozenset(_ids(settings and settings.eos_token_id)) | {tokenizer.eos_token_id}


def declared_stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """All stop tokens of a model from elsewhere, in ascending order.

    Those of its generation settings, the tokenizer's EOS token, the token with which the chat template ends a response,
    and those of ``config.json`` that are tokens of their own: the configuration of an architecture has a default, which
    in another vocabulary is any piece of text.
    """
    own = tokenizer.added_tokens_decoder
    found = set(stop_tokens(model.generation_config, tokenizer))
    found |= {token for token in _ids(getattr(model.config, "eos_token_id", None)) if token in own}
    if (end := ending(tokenizer, ChatTemplate(kind="chat"))) is not None:
        found.add(end[1])
    return sorted(found & set(tokenizer.get_vocab().values()))


def generation_settings(stops: list[int], tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    """Generation settings with these stop tokens, and nothing else that would change what is drawn."""
    eos = stops[0] if len(stops) == 1 else stops
    return GenerationConfig(bos_token_id=tokenizer.bos_token_id, eos_token_id=eos, pad_token_id=tokenizer.pad_token_id)


def _ids(value: object) -> Iterator[int]:
    """The token ids of a setting, which may be a number, a list of numbers, or missing."""
    for token in value if isinstance(value, list | tuple) else [value]:
        if isinstance(token, int):
            yield token
