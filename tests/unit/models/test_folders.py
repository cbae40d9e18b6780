"""Model folders that are gone, or lead elsewhere."""

import json
from pathlib import Path

import pytest

from elasticity.core.errors import UserError
from elasticity.models.folders import INDEX, check_folder
from elasticity.models.loading import load_model
from elasticity.models.tokenizer import load_tokenizer


def test_a_checkpoint_that_is_gone_is_named_with_what_makes_it_again(tmp_path: Path) -> None:
    for load in (load_model, load_tokenizer):
        with pytest.raises(UserError) as caught:
            load(tmp_path / "checkpoints/16")
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
        check_folder(tmp_path)


def test_an_ordinary_index_is_accepted(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    check_folder(tmp_path)
