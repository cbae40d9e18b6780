"""The saved state of a run: what a later attempt finds after a kill."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import Optimization
from elasticity.core.digests import folder_digest
from elasticity.core.errors import UserError
from elasticity.models.loading import prepare_for_training
from elasticity.runtime.launch import Launch
from elasticity.training.backends import OneProcess
from elasticity.training.checkpoint import Progress, StateFolder

SCHEMA = pa.schema([("n", pa.int64())])
SETTINGS = Optimization(learning_rate=1e-2, batch_size=2, precision="fp32")


class KilledError(Exception):
    """Raised in place of a signal that kills the run."""


def test_an_attempt_after_a_kill_during_removal_finds_nothing(
    fresh_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a removed state once looked like a measured checkpoint, whose tables were then missing."""
    model: PreTrainedModel = fresh_model()
    backend = OneProcess(prepare_for_training(model, Launch()), SETTINGS)
    state = StateFolder(tmp_path / "state" / "run")
    state.save_tables("8", backend, {"table": [{"n": 1}]}, {"table": SCHEMA})
    state.publish(backend, Progress(update=1))
    assert state.has_tables("8")

    def dies(folder: Path, ignore_errors: bool = False) -> None:
        if folder.exists():
            (folder / "measured" / "8" / "table.parquet").unlink()
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", dies)
        with pytest.raises(KilledError):
            state.remove()
    again = StateFolder(tmp_path / "state" / "run")
    assert not again.has_tables("8")
    assert again.resume(backend) == Progress()
    again.save_tables("8", backend, {"table": [{"n": 2}]}, {"table": SCHEMA})
    assert again.rows(["8"], "table", SCHEMA) == [{"n": 2}]
    again.remove()
    assert list((tmp_path / "state").iterdir()) == []


def test_a_state_is_published_once(fresh_model: Any, tmp_path: Path) -> None:
    """A run that was abandoned twice at its end has nothing to add to what it saved the first time."""
    backend = OneProcess(prepare_for_training(fresh_model(), Launch()), SETTINGS)
    state = StateFolder(tmp_path / "run")
    state.publish(backend, Progress(update=2, tokens=7))
    state.publish(backend, Progress(update=2, tokens=7))
    assert StateFolder(tmp_path / "run").resume(backend) == Progress(update=2, tokens=7)


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["model.safetensors", "manifest.json"])
def test_a_damaged_state_is_set_aside_and_the_run_goes_on_from_the_one_before(
    fresh_model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    backend = OneProcess(prepare_for_training(fresh_model(), Launch()), SETTINGS)
    state = StateFolder(tmp_path / "run")
    for update in (1, 2):
        state.publish(backend, Progress(update=update))
        shutil.copytree(state.folder / f"update-{update:08d}", tmp_path / str(update))
    shutil.copytree(tmp_path / "1", state.folder / "update-00000001")  # as if it had not been removed yet
    flip(state.folder / "update-00000002" / file)
    assert state.resume(backend).update == 1
    assert "update-00000002 is damaged" in capsys.readouterr().out
    flip(state.folder / "update-00000001" / file)
    assert state.resume(backend) == Progress()
    assert sorted(path.name for path in state.folder.glob("damaged-*")) == [
        "damaged-update-00000001",
        "damaged-update-00000002",
    ]


def test_a_damaged_checkpoint_that_was_handed_over_is_named(
    fresh_model: Any, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    backend = OneProcess(prepare_for_training(fresh_model(), Launch()), SETTINGS)
    state = StateFolder(tmp_path / "run")
    state.save_checkpoint("8", backend, tokenizer)
    target = tmp_path / "checkpoints"
    state.hand_over(target, ["8"])
    before = folder_digest(target / "8")
    assert before == folder_digest(target / "8")
    assert folder_digest(target)
    state.remove()
    flip(target / "8" / "model.safetensors")
    for folder in (target, target / "8"):
        with pytest.raises(UserError, match=rf"8/model\.safetensors is not as it was written: .* Delete {folder} and"):
            folder_digest(folder)
