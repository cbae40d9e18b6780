"""Loading models with vLLM itself on a CPU: several ones after each other, and what cannot be loaded."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from elasticity.config.sampling import Sampling
from elasticity.core.errors import UserError
from elasticity.evaluation.generation import load_engine
from elasticity.models.loading import load_model
from elasticity.models.tokenizer import never_drawn
from tests.vllm.conftest import SHAPE

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")


def test_each_stop_token_ends_responses_and_is_kept(
    write: Callable[..., Path], tokenizer: PreTrainedTokenizerFast
) -> None:
    """Under a uniform model, so that each allowed token is drawn. generation_config.json names a second stop token."""
    folder = write(0.0)
    contexts = [tokenizer("The film")["input_ids"]] * 400
    with load_engine("vllm", folder, tokenizer) as engine:
        drawn = engine.draw(contexts, [f"p{i}" for i in range(400)], Sampling(new_tokens=30))
    for stop in (tokenizer.eos_token_id, 40):
        ended = [tokens for tokens in drawn if stop in tokens]
        assert 10 < len(ended) < 80
        assert all(tokens.index(stop) == len(tokens) - 1 for tokens in ended)
    assert all(len(tokens) == 30 for tokens in drawn if not {tokenizer.eos_token_id, 40} & set(tokens))
    kinds = {token for tokens in drawn for token in tokens}
    assert kinds == set(range(len(tokenizer) + 8)) - set(never_drawn(tokenizer, len(tokenizer) + 8))


def test_weights_that_are_not_those_that_were_saved_are_refused(
    write: Callable[..., Path], tokenizer: PreTrainedTokenizerFast
) -> None:
    replaced = write(0.2)
    model = load_model(replaced)
    with torch.no_grad():
        for weights in model.parameters():
            weights += 1e-4 * torch.randn_like(weights).sign()  # one update of AdamW at this rate
    model.save_pretrained(replaced)
    message = "weights in memory are not those that were saved"
    with pytest.raises(UserError, match=message), load_engine("vllm", replaced, tokenizer):
        pass


def test_a_size_of_heads_without_a_kernel_is_named(
    write: Callable[..., Path], tokenizer: PreTrainedTokenizerFast
) -> None:
    folder = write(0.2, SHAPE.model_copy(update={"hidden_size": 16}))
    message = r"vLLM cannot run the model in .*head_dim=8.*engine: transformers"
    with pytest.raises(UserError, match=message), load_engine("vllm", folder, tokenizer):
        pass
