"""Small models of each family in the hub's layout, with tokenizers like those of the family."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, GemmaConfig, GPTNeoXConfig, LlamaConfig, PreTrainedConfig, Qwen2Config

CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{'<|im_start|>assistant\n'}}{% endif %}"
)
WITH_BEGINNING = (
    "{{ bos_token }}{% for message in messages %}{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}{% endfor %}"
)
TURNS = (
    "{{ bos_token }}{% for message in messages %}<start_of_turn>{{ 'model' if message.role == 'assistant' else "
    "message.role }}\n{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TEXTS = [
    "The film opens on a quiet harbour.",
    "How do I say this? Like that: {braces}.",
    "USER: a b ASSISTANT: yes",
] * 3
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 512,
}


@dataclass(frozen=True)
class Family:
    """A family of models: special tokens, architecture, and how its tokenizer treats texts.

    ``puts`` is the BOS token that the tokenizer adds to texts, if any.
    """

    special: tuple[str, ...]
    named: dict[str, Any]
    config: PreTrainedConfig
    sentencepiece: bool = False
    puts: str | None = None
    chat_template: str | None = None
    generation: dict[str, Any] = field(default_factory=dict)

    def tokenizer(self) -> Tokenizer:
        """A BPE tokenizer on bytes, or on whole texts as that of SentencePiece."""
        bpe = Tokenizer(models.BPE(unk_token="<unk>" if self.sentencepiece else None))
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        if self.sentencepiece:
            bpe.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
            bpe.decoder = decoders.Sequence(
                [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            )
            alphabet = [chr(code) for code in range(32, 127)] + ["▁", "\n"]
        else:
            bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            bpe.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=380, special_tokens=list(self.special), initial_alphabet=alphabet, show_progress=False
        )
        bpe.train_from_iterator(TEXTS, trainer)
        if self.puts:
            single = f"{self.puts} $A"
            bpe.post_processor = processors.TemplateProcessing(
                single=single, special_tokens=[(self.puts, bpe.token_to_id(self.puts))]
            )
        return bpe

    def save(self, folder: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
        """Save a model as the hub has it: 16-bit weights, and a tokenizer with the names of its special tokens."""
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(self.config, dtype=dtype)
        model.save_pretrained(folder)
        if self.generation:
            (folder / "generation_config.json").write_text(json.dumps(self.generation))
        self.tokenizer().save(str(folder / "tokenizer.json"))
        named = self.named | ({"chat_template": self.chat_template} if self.chat_template else {})
        (folder / "tokenizer_config.json").write_text(json.dumps(named))
        return folder


FAMILIES = {
    "llama": Family(
        special=("<unk>", "<s>", "</s>"),
        named={
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "add_bos_token": True,
            "tokenizer_class": "LlamaTokenizer",
        },
        config=LlamaConfig(**SIZES, tie_word_embeddings=False),
        sentencepiece=True,
        puts="<s>",
        chat_template=WITH_BEGINNING,
        generation={"temperature": 0.9, "top_p": 0.6, "do_sample": False},  # transformers refuses to save this
    ),
    "tinyllama": Family(
        special=("<unk>", "<s>", "</s>"),
        named={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"},
        config=LlamaConfig(**SIZES | {"vocab_size": 180}, num_key_value_heads=1, tie_word_embeddings=False),
        sentencepiece=True,
        puts="<s>",
    ),
    "llama3": Family(
        special=("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"),
        named={"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"},
        config=LlamaConfig(**SIZES, num_key_value_heads=1, tie_word_embeddings=False),
        puts="<|begin_of_text|>",
        chat_template=WITH_BEGINNING.replace("[/INST]", "<|eot_id|>\n"),
    ),
    "gemma": Family(
        special=("<pad>", "<eos>", "<bos>", "<unk>"),
        named={"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
        config=GemmaConfig(**SIZES, num_key_value_heads=1, head_dim=12, pad_token_id=0),
        sentencepiece=True,
        puts="<bos>",
        chat_template=WITH_BEGINNING,
    ),
    "gemma_it": Family(
        special=("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"),
        named={"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"},
        config=GemmaConfig(**SIZES, num_key_value_heads=1, head_dim=12, pad_token_id=0),
        sentencepiece=True,
        puts="<bos>",
        chat_template=TURNS,
        generation={"eos_token_id": [1, 5]},
    ),
    "qwen": Family(
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        named={"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "add_bos_token": False},
        config=Qwen2Config(**SIZES, num_key_value_heads=2, tie_word_embeddings=False),
        chat_template=CHATML,
    ),
    "smollm2": Family(
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        named={"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"},
        config=LlamaConfig(**SIZES | {"vocab_size": 380}, tie_word_embeddings=True, pad_token_id=2),
        chat_template=CHATML,
    ),
    "pythia": Family(
        special=("<|endoftext|>", "<|padding|>"),
        named={"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
        config=GPTNeoXConfig(**SIZES, tie_word_embeddings=False),
    ),
}
"""Families by name. ``tinyllama`` has fewer embedding rows than tokens; most others have more."""

PADDED_BY = {"llama": "</s>", "tinyllama": "</s>", "llama3": "<|end_of_text|>", "gemma": "<pad>", "gemma_it": "<pad>"}
"""Padding tokens; other families use their EOS token."""
