"""Training algorithms under ZeRO: two processes give the same result as one."""

from pathlib import Path
from typing import Any

import pytest

from tests.distributed.conftest import Run, Trainer
from tests.distributed.test_zero import furthest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "algorithm",
    [{"kind": "kto", "beta": 1.0}, {"kind": "ppo", "new_tokens": 6, "passes": 2}],
    ids=["kto", "ppo"],
)
def test_two_processes_agree_with_one(algorithm: dict[str, Any], trainer: Trainer, tmp_path: Path) -> None:
    """A process has no examples in the last batch. KTO covers DPO and adds an estimate over the whole batch."""
    changes: dict[str, Any] = {"algorithm": algorithm, "max_length": 40, "sizes": (16, 41)}
    alone: Run = trainer.train(tmp_path / "alone", **changes)
    run: Run = trainer.train(tmp_path / "run", "--processes", "2", "--zero-stage", "2", "--micro-batch", "4", **changes)
    assert run.losses() == pytest.approx(alone.losses(), abs=1e-4)
    assert any(abs(loss) > 1e-2 for loss in alone.losses())
    for size in (16, 41):
        assert furthest(run.weights(size), alone.weights(size)) < 5e-5
    assert furthest(alone.weights(16), alone.weights(41)) > 1e-3
