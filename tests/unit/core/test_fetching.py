"""Files of a model that are put beside a listing of their digests."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from elasticity.config.score_models import SCORE_MODEL_FILES
from elasticity.core.errors import UserError
from elasticity.core.hub import fetch
from tests.unit.hub_cache import COMMIT, add_to_cache

FILES = {
    "config.json": b"{}",
    "model.safetensors": b"weights",
    "merges.txt": b"a b",
    "pytorch_model.bin": b"pickle",
    "README.md": b"# Read me",
    "onnx/config.json": b"{}",
}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    add_to_cache(tmp_path / "hub", "model", "org/score_model", FILES)


def test_the_files_of_a_score_model_are_fetched_and_listed(tmp_path: Path) -> None:
    listing = tmp_path / "source/fetched.json"
    for _ in range(2):
        fetch("org/score_model", COMMIT, SCORE_MODEL_FILES, listing)
        assert sorted(os.listdir(listing.parent)) == ["config.json", "fetched.json", "merges.txt", "model.safetensors"]
    listed = json.loads(listing.read_text())
    assert (listed["repo"], listed["revision"]) == ("org/score_model", COMMIT)
    assert listed["sha256"]["model.safetensors"] == hashlib.sha256(b"weights").hexdigest()
    assert (listing.parent / "model.safetensors").read_bytes() == b"weights"
    assert not (listing.parent / "model.safetensors").is_symlink()


def test_files_of_another_revision_are_removed(tmp_path: Path) -> None:
    listing = tmp_path / "source/fetched.json"
    listing.parent.mkdir()
    (listing.parent / "model-00001-of-00002.safetensors").touch()
    (listing.parent / ".journal").touch()
    fetch("org/score_model", COMMIT, SCORE_MODEL_FILES, listing)
    assert not (listing.parent / "model-00001-of-00002.safetensors").exists()
    assert (listing.parent / ".journal").exists()


def test_a_model_that_cannot_be_downloaded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the model org/other at revision main cannot be downloaded"):
        fetch("org/other", "main", SCORE_MODEL_FILES, tmp_path / "source/fetched.json")
