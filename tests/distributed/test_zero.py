"""DeepSpeed processes over gloo: every ZeRO stage gives the same result as one process."""

from pathlib import Path

import pytest
import torch

from elasticity.models.loading import load_for_measuring
from tests.distributed.conftest import SIZES, TABLES, Trainer

pytestmark = pytest.mark.slow

TOLERANCE = {"fp32": 2e-5, "bf16": 5e-3}
"""Largest allowed difference of a weight from that of one process. Weights move by up to 4e-3 in these updates at rate
1e-3; under bf16 autocast gradients are rounded to eight bits on their way between processes."""

LOSS_TOLERANCE = {"fp32": 1e-5, "bf16": 2e-2}
"""Nats per token."""


def two_processes(stage: int) -> tuple[str, ...]:
    return "--processes", "2", "--zero-stage", str(stage), "--micro-batch", "2"


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max((one[name] - other[name]).abs().max().item() for name in one)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_two_processes_agree_with_one(trainer: Trainer, stage: int, precision: str) -> None:
    """The one process runs without DeepSpeed."""
    expected = trainer.once(precision=precision)
    run = trainer.once(*two_processes(stage), precision=precision)
    assert run.losses() == pytest.approx(expected.losses(), abs=LOSS_TOLERANCE[precision])
    for size in SIZES:
        assert {value.dtype for value in run.weights(size).values()} == {torch.float32}
        assert furthest(run.weights(size), expected.weights(size)) < TOLERANCE[precision]
        load_for_measuring(run.folder / f"checkpoints/{size}")  # one process; checks the log-probability saved by two
    assert furthest(expected.weights(SIZES[0]), expected.weights(SIZES[1])) > 10 * TOLERANCE["fp32"]
    assert run.metrics()["processes"] == 2


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_measuring_changes_nothing_and_each_process_measures_its_share(
    trainer: Trainer, tmp_path: Path, stage: int, precision: str
) -> None:
    """Measurements of the weights in memory equal those of one process, up to the rounding of the training."""
    plain = trainer.once(*two_processes(stage), precision=precision)
    measured = trainer.train(tmp_path / "measured", *two_processes(stage), precision=precision, measured=True)
    assert measured.losses() == plain.losses()
    assert all(furthest(measured.weights(size), plain.weights(size)) == 0 for size in SIZES)
    alone = trainer.once(precision=precision, measured=True)
    for table in TABLES:
        rows, expected = measured.rows(table), alone.rows(table)
        keys = ("inverse_size", "corpus" if table == "compression" else "prompt_id")
        assert [[row[key] for key in keys] for row in rows] == [[row[key] for key in keys] for row in expected]
    nats = [[row["nats"] for row in run.rows("compression")] for run in (measured, alone)]
    assert nats[0] == pytest.approx(nats[1], abs=10 * LOSS_TOLERANCE[precision])


@pytest.mark.parametrize(("stage", "offload"), [(2, "optimizer"), (3, "weights")])
def test_offloading_does_not_change_the_result(trainer: Trainer, tmp_path: Path, stage: int, offload: str) -> None:
    kept = trainer.once(*two_processes(stage), precision="fp32")
    run = trainer.train(
        tmp_path / "run", *two_processes(stage), "--offload", offload, "--gradient-checkpointing", "true"
    )
    assert run.losses() == pytest.approx(kept.losses(), abs=LOSS_TOLERANCE["fp32"])
    assert furthest(run.weights(SIZES[1]), kept.weights(SIZES[1])) < TOLERANCE["fp32"]
