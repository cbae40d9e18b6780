"""Event files, read back by TensorBoard's own reader."""

import json
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from elasticity.core.tables import write_table
from elasticity.training.schemas import LOSSES
from elasticity.training.tensorboard import track


def test_losses_and_metrics_of_finished_runs_are_written(tmp_path: Path) -> None:
    for run, losses in {"models/nano": [3.0, 2.5], "models/given": []}.items():
        rows = [
            {"update": update, "examples": 4, "tokens": 90 + update, "learning_rate": 0.5 / update, "loss": loss}
            for update, loss in enumerate(losses, start=1)
        ]
        write_table(tmp_path / run / "losses.parquet", rows, LOSSES)
        metrics = {"updates": len(losses), "mean_loss_nats": 2.75, "precision": "bf16"}
        (tmp_path / run / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "models/running").mkdir()
    write_table(tmp_path / "models/running/losses.parquet", [], LOSSES)
    for _ in range(2):  # the second call replaces what the first wrote
        assert track(tmp_path, tmp_path / "tracking") == 1
    assert [path.name for path in (tmp_path / "tracking/models").iterdir()] == ["nano"]
    events = EventAccumulator(str(tmp_path / "tracking/models/nano")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("update/loss")] == [(1, 3.0), (2, 2.5)]
    assert [event.value for event in events.Scalars("update/tokens")] == [91, 92]
    assert [event.value for event in events.Scalars("run/mean_loss_nats")] == [2.75]
    assert "run/precision" not in events.Tags()["scalars"]
