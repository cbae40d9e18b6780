"""Low-rank adapters on several processes: the same result as on one process, merged and resumed."""

from pathlib import Path

import pytest

from elasticity.models.loading import load_for_measuring
from tests.distributed.conftest import SIZES, Run, Trainer
from tests.distributed.test_faults import EVERY_UPDATE, two, wait_for_state, workers
from tests.distributed.test_zero import TOLERANCE, furthest

pytestmark = pytest.mark.slow

LORA = {"rank": 4, "alpha": 8.0}
FAR = (16, 240)
"""Number of examples: enough to kill the run before its end."""


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_two_processes_agree_with_one(trainer: Trainer, tmp_path: Path, stage: int) -> None:
    expected = trainer.once(lora=LORA)
    run = trainer.train(tmp_path / "run", *two(stage), lora=LORA)
    assert run.losses() == pytest.approx(expected.losses(), abs=1e-5)
    for size in SIZES:
        assert furthest(run.weights(size), expected.weights(size)) < TOLERANCE["fp32"]
        load_for_measuring(run.folder / f"checkpoints/{size}")
    assert furthest(expected.weights(SIZES[0]), expected.weights(SIZES[1])) > 10 * TOLERANCE["fp32"]


@pytest.mark.parametrize(("stage", "then"), [(0, 2), (1, 2), (2, 2), (2, 1)])
def test_a_killed_run_resumes(trainer: Trainer, tmp_path: Path, stage: int, then: int) -> None:
    """The number of processes may change; frozen weights are not in the state."""
    expected = trainer.once(lora=LORA, sizes=FAR)
    run = Run(tmp_path / "run")
    process = trainer.start(run, *two(stage), environment=EVERY_UPDATE, lora=LORA, sizes=FAR)
    wait_for_state(run, process, 4)
    workers(process)[0].kill()
    assert process.wait(timeout=120) != 0
    reached = int(run.states()[-1].name.split("-")[1])
    launch = ("--processes", str(then), "--zero-stage", str(stage), "--micro-batch", "4")
    trainer.train(run.folder, *launch, lora=LORA, sizes=FAR)
    assert 4 <= reached < len(run.losses()) == len(expected.losses())
    assert furthest(run.weights(FAR[1]), expected.weights(FAR[1])) < 50 * TOLERANCE["fp32"]


def test_stage_3_is_refused(trainer: Trainer, tmp_path: Path) -> None:
    trainer.train(tmp_path / "run", *two(3), ok=False, lora=LORA)
    assert "error: lora merges its adapters with whole matrices" in (tmp_path / "run.log").read_text()


def test_extrapolation_after_stage_3(trainer: Trainer, tmp_path: Path) -> None:
    """After training, one process loads the whole model."""
    pushing = {"epochs": 2, "extrapolation": 1.0, "sizes": (16,)}
    expected = trainer.train(tmp_path / "alone", **pushing)
    run = trainer.train(tmp_path / "run", *two(3), **pushing)
    assert furthest(run.weights(16), expected.weights(16)) < 3 * TOLERANCE["fp32"]
    load_for_measuring(run.folder / "checkpoints/16")
