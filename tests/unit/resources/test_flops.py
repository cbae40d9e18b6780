"""Floating-point operations, by hand and as torch counts them."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from elasticity.models.shapes import Shape
from elasticity.resources.flops import training_flops_per_token, utilisation
from tests.unit.shapes import llama


def test_by_hand() -> None:
    """1,000 parameters, of which 200 are looked up: 6 · 800 + 12 · 2 layers · (2 heads of 4) · 16 tokens."""
    shape = Shape(1000, 2, 10, 30, 2, 1, 4, 20, tied=False)
    assert training_flops_per_token(shape, 16) == 6 * 800 + 12 * 2 * 8 * 16 == 7872
    tied = Shape(1000, 2, 10, 30, 2, 1, 4, 20, tied=True)
    assert training_flops_per_token(tied, 16) == 6 * 1000 + 12 * 2 * 8 * 16


@pytest.mark.parametrize("tied", [False, True])
def test_as_torch_counts_them(tied: bool) -> None:
    """Within 1 %: norms have parameters, and no matrix; angles of positions are a small product of their own."""
    shape = llama(
        layers=3, hidden_size=128, intermediate_size=344, heads=4, key_value_heads=2, vocabulary=512, tied=tied
    )
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
        attn_implementation="eager",  # torch does not count the fused attention of a CPU
    )
    model, tokens = LlamaForCausalLM(config), torch.zeros(2, 256, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=tokens).logits.sum().backward()
    assert training_flops_per_token(shape, 256) * tokens.numel() == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_utilisation_is_a_share_of_the_peak_of_all_devices() -> None:
    assert utilisation(1e9, tokens_per_s=200_000, devices=4, peak_tflops=100) == 0.5
