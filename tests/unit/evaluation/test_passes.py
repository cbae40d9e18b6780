"""Logits at targets only, against full logits, and the memory that they take."""

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    MixtralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from elasticity.config.training import Lora
from elasticity.data.examples import IGNORED, Batch
from elasticity.evaluation.passes import measuring, over_targets
from elasticity.models.loading import prepare_for_training
from elasticity.runtime.launch import Launch
from elasticity.training.lora import adapted
from tests.conftest import ROOT

VOCABULARY = 512
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": VOCABULARY,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GEMMA = SIZES | {"head_dim": 8, "num_key_value_heads": 1, "sliding_window": 4}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES),
    "gpt2": GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2),
    "gemma3": Gemma3TextConfig(**GEMMA),
    "gemma2": Gemma2Config(**GEMMA),
    "cohere": CohereConfig(**SIZES),
    "granite": GraniteConfig(**SIZES, logits_scaling=7.0),
    "mixtral": MixtralConfig(**SIZES, num_local_experts=2, num_key_value_heads=1),
    "opt": OPTConfig(
        hidden_size=16,
        ffn_dim=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        vocab_size=VOCABULARY,
        word_embed_proj_dim=16,
    ),
}
"""Families: Gemma 2 caps its logits, Cohere and Granite scale them, OPT does not call its base but a part of it."""


def make(family: str, **launch: Any) -> PreTrainedModel:
    """Return a random model in training."""
    torch.manual_seed(0)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(CONFIGS[family])
    return prepare_for_training(model, Launch(**launch))


@pytest.fixture
def batch() -> Batch:
    """Four rows of 12 tokens: a prompt, padding, all targets, and no target."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, VOCABULARY, (4, 12), generator=generator)
    attention, labels = torch.ones_like(tokens), tokens.clone()
    attention[1, 9:], labels[1, 9:] = 0, IGNORED
    labels[0, :5] = labels[3] = IGNORED
    return Batch(tokens, attention, labels)


def nats(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits.float(), labels, reduction="none")


def of_full_logits(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return −log p of the targets from the logits of all positions."""
    logits = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits[:, :-1]
    targets = batch.labels[:, 1:] != IGNORED
    return nats(logits[targets], batch.labels[:, 1:][targets])


def gradients(model: PreTrainedModel, values: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the gradient of a weighted sum of values, by the names of parameters."""
    weights = torch.linspace(0.5, 1.5, len(values))
    (values * weights).sum().backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("targets_at_once", [1, 5, 1000])
@pytest.mark.parametrize("family", CONFIGS)
def test_values_and_gradients_are_those_of_full_logits(family: str, targets_at_once: int, batch: Batch) -> None:
    model = make(family)
    expected = of_full_logits(model, batch)
    actual = over_targets(nats, [model], batch, targets_at_once * VOCABULARY)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradients(model, actual), gradients(model, expected), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        again = over_targets(nats, [model], batch, targets_at_once * VOCABULARY)
    torch.testing.assert_close(again, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", [family for family in CONFIGS if family != "opt"])
def test_no_more_logits_are_computed_at_once(family: str, batch: Batch) -> None:
    model, seen = make(family), list[int]()
    model.get_output_embeddings().register_forward_hook(lambda head, given, logits: seen.append(logits[..., 0].numel()))
    count = int((batch.labels[:, 1:] != IGNORED).sum())
    values = over_targets(nats, [model], batch, 5 * VOCABULARY)
    assert seen == [5] * (count // 5) + [count % 5]
    values.sum().backward()
    assert sum(seen) == 2 * count - 5  # all but those of the first chunk are computed again


@pytest.mark.parametrize("targets_at_once", [5, 1000])
def test_adapters_and_gradient_checkpointing(targets_at_once: int, batch: Batch) -> None:
    model = adapted(make("llama", gradient_checkpointing=True), Lora(rank=2), 3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight += 0.1
    expected = of_full_logits(model, batch)
    actual = over_targets(nats, [model], batch, targets_at_once * VOCABULARY)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradients(model, actual), gradients(model, expected), rtol=1e-4, atol=1e-5)


def test_autocast_holds_in_every_chunk(batch: Batch) -> None:
    model = make("llama")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = of_full_logits(model, batch)
        actual = over_targets(nats, [model], batch, 5 * VOCABULARY)
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradients(model, actual), gradients(model, expected), rtol=0.05, atol=0.01)


def test_two_models_are_compared_at_the_same_targets(batch: Batch) -> None:
    models = [make("cohere"), make("opt")]

    def difference(mine: torch.Tensor, others: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nats(mine, labels) - nats(others, labels)

    expected = of_full_logits(models[0], batch) - of_full_logits(models[1], batch)
    with measuring(*models):
        actual = over_targets(difference, models, batch, 5 * VOCABULARY)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_a_batch_without_targets_has_a_gradient_of_zero(batch: Batch) -> None:
    model = make("llama")
    values = over_targets(nats, [model], batch.rows(3, 4), 5 * VOCABULARY)
    assert values.shape == (0,)
    values.sum().backward()
    assert all((weight.grad == 0).all() for weight in model.parameters())


@pytest.mark.parametrize("family", CONFIGS)
def test_the_model_is_left_as_it_was(family: str, batch: Batch) -> None:
    model = make(family)
    modules, training = dict(model.named_modules()), [module.training for module in model.modules()]
    with measuring(model):
        assert not any(module.training for module in model.modules())
        over_targets(nats, [model], batch, 5 * VOCABULARY)
    assert dict(model.named_modules()) == modules
    assert [module.training for module in model.modules()] == training
    assert not any(module._forward_hooks for module in model.modules())
    gradients(model, over_targets(nats, [model], batch, 5 * VOCABULARY))


def test_a_failure_leaves_no_trace(batch: Batch) -> None:
    def fail(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if calls:
            raise ValueError("second chunk")
        calls.append(1)
        return nats(logits, labels)

    model, calls = make("llama"), list[int]()
    modules = dict(model.named_modules())
    with pytest.raises(ValueError, match="second chunk"), measuring(model):
        over_targets(fail, [model], batch, 5 * VOCABULARY)
    assert model.training
    assert dict(model.named_modules()) == modules


MEMORY = """
import json, resource, sys
import torch
from transformers import AutoModelForCausalLM, LlamaConfig
from torch.nn import functional
from elasticity.config.training import Optimization
from elasticity.data.examples import Batch
from elasticity.training.backends import OneProcess

torch.set_num_threads(1)
torch.manual_seed(0)
model = AutoModelForCausalLM.from_config(LlamaConfig(
    hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=VOCABULARY,
    tie_word_embeddings=True))
backend = OneProcess(model.train(), Optimization(learning_rate=1e-3, batch_size=8, precision="fp32"))
tokens = torch.randint(0, VOCABULARY, (2, 512))
batch = Batch(tokens, torch.ones_like(tokens), tokens)

def loss():
    if sys.argv[1] == "ours":
        return backend.nats(batch).sum() / batch.targets
    logits = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten())

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

before = peak()
with torch.no_grad():
    loss()
forward = peak() - before
value = loss()
value.backward()
print(json.dumps([forward, peak() - before, value.item()]))
"""


def test_a_large_vocabulary_takes_less_than_half_of_the_memory() -> None:
    """A vocabulary of 262,144 and 2 x 512 tokens, which are 2^28 logits; with more the share is smaller still."""

    def run(kind: str) -> tuple[int, int, float]:
        """Return the kilobytes of a forward pass, those of a backward pass after it, and the loss."""
        command = [sys.executable, "-c", MEMORY.replace("VOCABULARY", "262_144"), kind]
        environment = {"PYTHONPATH": str(ROOT / "workflow/scripts")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        forward, backward, loss = json.loads(done.stdout)
        return forward, backward, loss

    full, ours = run("full"), run("ours")
    assert ours[2] == pytest.approx(full[2], rel=1e-6)
    assert ours[0] < full[0] / 2
    assert ours[1] < full[1] / 2
