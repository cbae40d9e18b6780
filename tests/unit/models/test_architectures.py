"""Tiny models of many architectures: imported, trained, measured, saved and loaded again."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.models import ModelFolder
from elasticity.config.sampling import Sampling
from elasticity.config.training import Optimization
from elasticity.data.examples import batched, training_examples
from elasticity.evaluation.generation import TransformersEngine, generate
from elasticity.evaluation.lean import Beginning, lean_rows
from elasticity.models.importing import load
from elasticity.models.loading import load_model, prepare_for_training, probe_nats, save
from elasticity.runtime.launch import Launch
from elasticity.training.backends import OneProcess

COMMON: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
GROUPED = COMMON | {"num_key_value_heads": 1}
SIZED = GROUPED | {"head_dim": 16}
GPT: dict[str, Any] = {"vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64} | {
    "bos_token_id": 0,
    "eos_token_id": 1,
}
FALCON = {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2} | {
    "bos_token_id": 0,
    "eos_token_id": 1,
}
BLOOM = {"vocab_size": 320, "hidden_size": 32, "n_layer": 2, "n_head": 2, "bos_token_id": 0, "eos_token_id": 1}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
SCALES = {"attention_multiplier": 0.25, "embedding_multiplier": 2.0, "logits_scaling": 2.0, "residual_multiplier": 0.5}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", GROUPED),
    "mistral": ("mistral", GROUPED | {"sliding_window": 8}),
    "qwen2": ("qwen2", GROUPED),
    "qwen3": ("qwen3", SIZED),
    "gemma": ("gemma", SIZED),
    "gemma2": ("gemma2", SIZED | {"sliding_window": 8, "query_pre_attn_scalar": 16}),
    "gemma3_text": ("gemma3_text", SIZED | {"sliding_window": 8, "query_pre_attn_scalar": 16}),
    "phi": ("phi", COMMON),
    "phi3": ("phi3", GROUPED),
    "gpt2": ("gpt2", GPT),
    "gpt_bigcode": ("gpt_bigcode", GPT),
    "gpt_neo": ("gpt_neo", COMMON | {"num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]}),
    "gpt_neox": ("gpt_neox", COMMON),
    "gptj": ("gptj", GPT | {"rotary_dim": 8}),
    "codegen": ("codegen", GPT | {"rotary_dim": 8, "n_head": 4}),
    "opt": ("opt", COMMON | {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "bloom": ("bloom", BLOOM),
    "bloom with dropout": ("bloom", BLOOM | {"hidden_dropout": 0.2, "attention_dropout": 0.2}),
    "falcon": ("falcon", FALCON),
    "falcon with dropout": ("falcon", FALCON | {"hidden_dropout": 0.2, "attention_dropout": 0.2}),
    "mpt": ("mpt", {"vocab_size": 320, "d_model": 32, "n_layers": 2, "n_heads": 2, "max_seq_len": 64}),
    "olmo": ("olmo", COMMON),
    "olmo2": ("olmo2", COMMON),
    "stablelm": ("stablelm", GROUPED),
    "starcoder2": ("starcoder2", GROUPED | {"residual_dropout": 0.1, "embedding_dropout": 0.1}),
    "granite": ("granite", GROUPED | SCALES),
    "cohere": ("cohere", GROUPED),
    "smollm3": ("smollm3", GROUPED),
    "nemotron": ("nemotron", GROUPED),
    "mixtral": ("mixtral", GROUPED | EXPERTS),
    "mixtral with jitter": ("mixtral", GROUPED | EXPERTS | {"router_jitter_noise": 0.1}),
    "mamba": ("mamba", COMMON | {"state_size": 4, "time_step_rank": 4}),
}

PROMPTS = [{"prompt_id": str(i), "prompt": text} for i, text in enumerate(["The film", "I", "A warm, funny picture"])]
SETTINGS = Optimization(learning_rate=1e-2, batch_size=3)


@pytest.fixture(params=ARCHITECTURES)
def imported(
    request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A random model in the hub's layout, imported."""
    kind, sizes = ARCHITECTURES[request.param]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes), dtype=torch.bfloat16)
    model.save_pretrained(tmp_path / "given")
    tokenizer.save_pretrained(tmp_path / "given")
    return load(ModelFolder(kind="folder", path=str(tmp_path / "given")), tmp_path / "given")


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(torch.tensor([[0, 40, 70, 9, 200]])).logits
    return found


def drawn(engine: TransformersEngine, prompts: Sequence[dict[str, str]]) -> list[list[int]]:
    rows = generate(engine, engine.tokenizer, list(prompts), Sampling(new_tokens=8), "plain")
    return [row["response_tokens"] for row in rows]


def test_an_architecture_goes_all_the_way(
    imported: tuple[PreTrainedModel, PreTrainedTokenizerFast], sentences: list[str], tmp_path: Path
) -> None:
    model, tokenizer = imported
    rows = [{"id": str(i), "prompt": "", "response": text} for i, text in enumerate(sentences[:3])]
    examples = training_examples(rows, tokenizer, "plain", 24)
    (batch,) = batched(examples, 3, tokenizer.pad_token_id)
    backend = OneProcess(prepare_for_training(copy.deepcopy(model), Launch()), SETTINGS)

    nats = backend.nats(batch)  # without randomness, and only where there is a target
    assert torch.equal(nats, backend.nats(batch))
    assert (nats != 0).sum() == batch.targets == sum(len(example.tokens) - 1 for example in examples)

    for _ in range(3):
        loss = backend.nats(batch).sum() / batch.targets
        backend.backward(loss, last=True)
        assert 0 < backend.gradient_norm() < float("inf")
        backend.step(1e-2)
    assert backend.nats(batch).sum() < nats.sum()

    trained = backend.plain_model()
    save(trained, tokenizer, tmp_path / "made", probe_nats(trained, trained.config.vocab_size, torch.device("cpu")))
    loaded = load_model(tmp_path / "made")
    assert torch.equal(logits(loaded), logits(trained))
    assert not torch.equal(logits(loaded), logits(model))

    engine = TransformersEngine(loaded, tokenizer)
    assert drawn(engine, PROMPTS) == [tokens for prompt in PROMPTS for tokens in drawn(engine, [prompt])]

    texts = [Beginning("positive", example, 10) for example in examples]
    together = lean_rows(loaded, texts, tokenizer.pad_token_id)
    alone = [row for text in texts for row in lean_rows(loaded, [text], tokenizer.pad_token_id)]
    for one, two in zip(together, alone, strict=True):
        assert one["nats"] == pytest.approx(two["nats"], rel=1e-5)
        assert one["nats"] == pytest.approx(_nats(loaded, examples[int(one["id"])].tokens), rel=1e-5)


def _nats(model: PreTrainedModel, tokens: list[int]) -> float:
    """The code length of a sequence after its first token, computed by hand."""
    with torch.no_grad():
        logs = model(torch.tensor([tokens])).logits[0].double().log_softmax(-1)
    return -sum(logs[place, token].item() for place, token in enumerate(tokens[1:]))
