"""What all tests of planning share."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Create the model folder of the study and return the number of its parameters."""
    monkeypatch.chdir(tmp_path)
    config = LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained("models/given")
    return sum(p.numel() for p in model.parameters())
