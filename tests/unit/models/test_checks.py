"""Models from elsewhere that are refused: incomplete, damaged, random or not causal."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from elasticity.config.models import ModelFolder
from elasticity.core.errors import UserError
from elasticity.models.checks import check_model
from elasticity.models.importing import load
from elasticity.models.loading import load_model
from tests.unit.families import FAMILIES

Tensors = dict[str, torch.Tensor]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return FAMILIES["llama3"].save(tmp_path / "given")


def rewrite(folder: Path, change: Any) -> None:
    tensors: Tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def reconfigure(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def drop(tensors: Tensors) -> None:
    del tensors["lm_head.weight"]


def rename(tensors: Tensors) -> None:
    for name in list(tensors):
        tensors[f"_orig_mod.{name}"] = tensors.pop(name)


def cut(tensors: Tensors) -> None:
    tensors["model.norm.weight"] = tensors["model.norm.weight"][:8].clone()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (drop, r"1 tensors are missing: lm_head\.weight\."),
        (rename, r"21 tensors are missing: lm_head\.weight, .*, \.\.\.; 21 tensors have no place: _orig_mod\."),
        (cut, r"1 tensors have another shape: model\.norm\.weight \(8,\) instead of \(16,\)\."),
    ],
)
def test_half_a_model_is_refused_with_the_tensors(folder: Path, change: Any, found: str) -> None:
    rewrite(folder, change)
    with pytest.raises(UserError, match=found):
        load_model(folder)


@pytest.mark.parametrize(("layers", "found"), [(1, "9 tensors have no place"), (3, "9 tensors are missing")])
def test_another_number_of_layers_is_refused(folder: Path, layers: int, found: str) -> None:
    reconfigure(folder, num_hidden_layers=layers)
    with pytest.raises(UserError, match=found):
        load_model(folder)


def test_buffers_of_older_checkpoints_are_left_out(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}))
    load_model(folder)


def test_damaged_weights_are_refused_in_one_line(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=rf"the model in {folder} cannot be loaded: [^\n]+$"):
        load_model(folder)


def test_code_of_a_model_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also not where someone answers yes to every question."""
    marker = tmp_path / "ran"
    (folder / "modeling.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass M: pass\nclass C: pass\n")
    reconfigure(folder, model_type="mine", auto_map={"AutoConfig": "modeling.C", "AutoModelForCausalLM": "modeling.M"})
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_model(folder)
    assert not marker.exists()


def test_weights_that_are_not_numbers_are_refused(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))
    with pytest.raises(UserError, match=r"not finite numbers, model\.norm\.weight for one"):
        load(ModelFolder(kind="folder", path=str(folder)), folder)


def test_an_encoder_is_refused(folder: Path) -> None:
    model = load_model(folder)
    model.model.register_forward_hook(_sees_all)
    with pytest.raises(UserError, match="here is no causal language model: a later token changes"):
        check_model(model, "here")


def _sees_all(_: torch.nn.Module, __: Any, output: Any) -> Any:
    output.last_hidden_state = output.last_hidden_state + output.last_hidden_state.mean(1, keepdim=True)
    return output


def test_dropout_in_any_guise_is_refused(folder: Path) -> None:
    model = load_model(folder)
    check_model(model, "here")
    model.model.norm.register_forward_hook(lambda _, __, output: torch.nn.functional.dropout(output, 0.5))
    with pytest.raises(UserError, match="other logits for the same text in a second pass"):
        check_model(model, "here")


def test_a_model_whose_layers_do_not_fit_is_refused(folder: Path) -> None:
    model = load_model(folder)
    model.model.layers[0].mlp.down_proj = torch.nn.Linear(3, 16)
    with pytest.raises(UserError, match=r"here was loaded, but computes nothing: [^\n]+$"):
        check_model(model, "here")
