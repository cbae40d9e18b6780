"""Folders that are gone, lead elsewhere, or hold no whole causal language model are refused before weights are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from elasticity.config.models import ModelFolder
from elasticity.core.errors import UserError
from elasticity.models.folders import INDEX, check_folder, check_present
from elasticity.models.importing import load
from elasticity.models.loading import load_model
from elasticity.models.tokenizer import load_tokenizer
from tests.unit.families import FAMILIES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = FAMILIES["llama3"].save(tmp_path / "given")
    check_folder(folder)
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as error:
        load(ModelFolder(kind="folder", path=str(folder)), folder)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "holds quantized weights (bitsandbytes), which"),
        (
            {"quantization_config": {"bits": 4}},
            "holds quantized weights (quantization_config), which",
        ),
        ({"model_type": "mine", "auto_map": {"AutoConfig": "m.C"}}, "needs code of its own (auto_map in config.json)"),
        ({"model_type": "mine"}, "does not know (model_type 'mine' in config.json)"),
        ({"model_type": None}, "does not know (model_type None in config.json)"),
        ({"vision_config": {}}, "reads more than text (vision_config in config.json)"),
        ({"architectures": ["BertForMaskedLM"]}, "was saved as BertForMaskedLM, which is no causal language model"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "was saved as LlamaForSequenceClassification"),
        (
            {"is_encoder_decoder": True, "architectures": ["T5ForConditionalGeneration"]},
            "was saved as T5ForConditional",
        ),
        ({"is_encoder_decoder": True, "architectures": None}, "which is no causal language model"),
    ],
    ids=str,
)
def test_a_configuration_of_another_kind_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    assert message in refused(folder)


def test_an_adapter_alone_is_refused(folder: Path) -> None:
    """transformers would load the adapter's base model instead, from wherever the adapter says."""
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    assert "holds an adapter (adapter_config.json), not a whole model: merge it into its base model" in refused(folder)
    for file in ("config.json", "model.safetensors"):
        (folder / file).unlink()
    assert "holds an adapter" in refused(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pytorch_model.bin", "convert them; pickles (.bin) are not read"),
        ("model.gguf", "use kind: gguf for its GGUF file"),
        ("nothing", "put model.safetensors there"),
    ],
)
def test_other_weights_than_safetensors_are_refused(folder: Path, name: str, message: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    assert message in refused(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_an_unreadable_configuration_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    assert "holds no readable config.json" in refused(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no config\.json"):
        check_folder(tmp_path)


def test_a_shard_that_is_missing_is_named(folder: Path) -> None:
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors").rename(folder / "model-00002-of-00002.safetensors")
    (folder / INDEX).write_text(json.dumps(index))
    assert "model-00001-of-00002.safetensors" in refused(folder)


def test_a_checkpoint_that_is_gone_is_named_with_what_makes_it_again(tmp_path: Path) -> None:
    for loads in (load_model, load_tokenizer):
        with pytest.raises(UserError) as caught:
            loads(tmp_path / "checkpoints/16")
        assert str(caught.value).startswith(
            f"the checkpoint {tmp_path}/checkpoints/16 is gone. To make it again, delete "
        )
        assert f"delete the folder {tmp_path}/checkpoints and run the same command again" in str(caught.value)


def test_nobody_is_told_to_delete_a_folder_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_model(tmp_path / "my-model")
    assert str(caught.value).startswith(f"the model folder {tmp_path}/my-model does not exist")
    assert "delete the folder" not in str(caught.value)


@pytest.mark.parametrize("name", ["../other/model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ""])
def test_an_index_that_points_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": name}}))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        load_model(tmp_path)
    assert f"{INDEX} names the file {name!r}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1}}', "[" * 100_000])
def test_an_index_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(UserError, match="cannot be read as an index of tensors"):
        check_present(tmp_path)


def test_an_ordinary_index_is_accepted(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    check_present(tmp_path)
