"""The saved state of a run: what a later attempt finds after a kill."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from transformers import PreTrainedModel

from elasticity.config.training import Optimization
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
