"""A training job that went on after its run was killed: the next run takes over what it has finished."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import Optimization
from elasticity.core.digests import folder_digest
from elasticity.data.examples import Batch
from elasticity.models.shapes import shape_of
from elasticity.runtime.journal import Journal
from elasticity.runtime.results_lock import RUN
from elasticity.training import loop
from elasticity.training.objectives import CodeLength
from elasticity.training.run import RunFiles, run
from tests.unit.conftest import SHAPE
from tests.unit.training.test_loop import batches  # noqa: F401 (a fixture)


@pytest.fixture
def train(
    tmp_path: Path,
    fresh_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerFast,
    batches: list[Batch],  # noqa: F811
) -> Callable[[], RunFiles]:
    """Return a function that runs a whole training job, as Snakemake would: its outputs are deleted before."""

    def train() -> RunFiles:
        folder = tmp_path / "results/run"
        shutil.rmtree(folder, ignore_errors=True)
        outputs = [folder / name for name in ("checkpoints", "losses.parquet", "metrics.json")]
        files = RunFiles(*outputs, tmp_path / "results/state/key", Journal(outputs[0]), {})
        settings = Optimization(learning_rate=1e-3, batch_size=2)
        run(fresh_model, shape_of(SHAPE), tokenizer, batches, CodeLength(), {"2": 2, "4": 4}, settings, files)
        return files

    return train


def test_what_an_orphan_has_trained_is_taken_over(
    train: Callable[[], RunFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN, "a run that was killed")
    files = train()
    wanted = folder_digest(files.checkpoints), files.losses.read_bytes()
    assert files.state.exists()
    monkeypatch.delenv(RUN)
    monkeypatch.setattr(loop, "_update", lambda *_: pytest.fail("trains again"))
    files = train()
    assert (folder_digest(files.checkpoints), files.losses.read_bytes()) == wanted
    assert not files.state.exists()


def test_the_state_of_any_other_job_is_deleted_at_its_end(train: Callable[[], RunFiles]) -> None:
    files = train()
    assert files.metrics.exists()
    assert not files.state.exists()
