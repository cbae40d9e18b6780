"""What a study will cost."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from elasticity import budget
from elasticity.errors import UserError
from elasticity.reading import read_study
from elasticity.shapes import shape_of


def test_models_take_four_bytes_a_parameter_on_disk_whatever_they_came_in(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = LlamaConfig(
        vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained("models/given")
    study = read_study(values)
    nano, given = shape_of(study.models["nano"]).parameters, sum(p.numel() for p in model.parameters())
    assert budget.stages(study)[0].disk_bytes == 4 * (2 * nano + given)  # nano and its checkpoint


def test_a_model_folder_that_is_not_there_is_an_error(values: dict[str, Any], tmp_path: Path) -> None:
    values["models"]["given"]["path"] = str(tmp_path / "none")
    with pytest.raises(UserError, match="not a model folder"):
        budget.stages(read_study(values))
