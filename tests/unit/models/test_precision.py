"""Attention in fp32 under bf16 autocast on CPUs."""

from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from elasticity.models.precision import autocast, use_fp32_attention_on_cpus
from tests.unit.evaluation.test_passes import CONFIGS, VOCABULARY, make

CPU = torch.device("cpu")


def states(*shape: int) -> list[torch.Tensor]:
    """Return a query, a key and a value."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator) for _ in range(3)]


def output(model: PreTrainedModel, precision: Any) -> torch.Tensor:
    """Return the logits of two rows, one of them padded."""
    tokens = torch.randint(3, VOCABULARY, (2, 12), generator=torch.Generator().manual_seed(1))
    attention = torch.ones_like(tokens)
    attention[1, 9:] = 0
    with autocast(precision, CPU):
        logits: torch.Tensor = model(input_ids=tokens, attention_mask=attention, use_cache=False).logits
    return logits[attention == 1]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[set[torch.dtype]]:
    """The types of the tensors that each call of torch's fused attention was given."""
    found: list[set[torch.dtype]] = []
    fused = functional.scaled_dot_product_attention

    def counted(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
        found.append({each.dtype for each in tensors})
        assert not torch.is_autocast_enabled("cpu")
        return fused(*tensors, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", counted)
    return found


@pytest.mark.parametrize("family", [family for family in CONFIGS if family != "gemma2"])
def test_fused_attention_is_computed_in_fp32(family: str, seen: list[set[torch.dtype]]) -> None:
    model = make(family)  # prepares it for training
    exact, logits = output(model, "fp32"), output(model, "bf16")
    assert len(seen) == 2 * model.config.num_hidden_layers
    assert all(types == {torch.float32} for types in seen)
    torch.testing.assert_close(logits.float(), exact, rtol=0.05, atol=0.02)
    functional.cross_entropy(logits.float(), torch.arange(len(logits))).backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_without_autocast_attention_is_that_of_transformers() -> None:
    use_fp32_attention_on_cpus()
    layer = make("llama").model.layers[0].self_attn
    query, key, value = states(2, 2, 9, 8)
    ours, _ = AttentionInterface()["sdpa"](layer, query, key, value, None)
    theirs, _ = sdpa_attention_forward(layer, query, key, value, None)
    assert torch.equal(ours, theirs)


def test_a_mask_of_numbers_and_the_type_of_the_result() -> None:
    use_fp32_attention_on_cpus()
    layer = make("llama").model.layers[0].self_attn
    halves = [each.bfloat16() for each in states(2, 2, 9, 8)]
    mask = torch.full((2, 1, 9, 9), float("-inf"), dtype=torch.bfloat16).triu(1)
    with autocast("bf16", CPU):
        ours, _ = AttentionInterface()["sdpa"](layer, *halves, mask)
    exact, _ = sdpa_attention_forward(layer, *(each.float() for each in halves), None)
    assert ours.dtype == torch.bfloat16
    assert torch.equal(ours, exact.bfloat16())
