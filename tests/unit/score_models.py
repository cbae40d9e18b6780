"""Tiny score models as the hub keeps them: a RoBERTa that classifies, and a Llama with a score head."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

WORDS = ["a lovely film", "a dull film", "lovely", "dull"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def roberta(folder: Path, **config: Any) -> RobertaForSequenceClassification:
    """As old repositories have it: vocabulary and merges, no tokenizer.json. It finds texts with ``lovely`` good."""
    folder.mkdir(parents=True, exist_ok=True)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(WORDS * 3, trainer)
    bpe.model.save(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 30}))
    torch.manual_seed(1)
    model = RobertaForSequenceClassification(
        RobertaConfig(
            vocab_size=bpe.get_vocab_size(),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
            id2label={0: "NEGATIVE", 1: "POSITIVE"},
            label2id={"NEGATIVE": 0, "POSITIVE": 1},
            **config,
        )
    ).eval()
    _teach(model, bpe)
    model.save_pretrained(folder)
    return model


def gpt(folder: Path, pad: str | None) -> None:
    """A decoder that classifies, untrained; its tokenizer puts nothing around a text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        WORDS, trainers.BpeTrainer(special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False)
    )
    PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="</s>", pad_token=pad).save_pretrained(folder)
    labels = {0: "NEGATIVE", 1: "POSITIVE"}
    shape = GPT2Config(
        vocab_size=bpe.get_vocab_size(), n_embd=8, n_layer=1, n_head=1, n_positions=32, id2label=labels, eos_token_id=0
    )
    GPT2ForSequenceClassification(shape).save_pretrained(folder)


def _teach(model: RobertaForSequenceClassification, bpe: Tokenizer) -> None:
    """A few steps until the words decide."""
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    texts = [f"{start}{word}" for start in ("", "a ", "a film ") for word in ("lovely", "dull")]
    for _ in range(40):
        for text in texts:
            tokens = torch.tensor([[0, *bpe.encode(text).ids, 2]])
            loss = model(input_ids=tokens, labels=torch.tensor([int("lovely" in text)])).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def cost_model(folder: Path, tokenizer: PreTrainedTokenizerFast, *, bias: float | None = None, **config: Any) -> Any:
    """A Llama and the weights of its head (1, hidden size), saved under the names of the Beaver repositories."""
    torch.manual_seed(2)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
    )
    llama, head = LlamaModel(shape).eval(), torch.randn(1, 16)
    weights = {f"model.{name}": tensor for name, tensor in llama.state_dict().items()} | {"score_head.weight": head}
    weights |= {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4), "normalizer.mean": torch.ones(1)}
    weights |= {"normalizer.var": torch.full((1,), 4.0), "normalizer.count": torch.ones(1, dtype=torch.long)}
    if bias is not None:
        weights["score_head.bias"] = torch.full((1,), bias)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    described = shape.to_dict() | {"architectures": ["LlamaModelForScore"], "score_type": "cost", "score_dim": 1}
    (folder / "config.json").write_text(json.dumps(described | {"do_normalize": False} | config))
    tokenizer.save_pretrained(folder)
    return llama, head
