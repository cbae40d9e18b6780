"""Event files for TensorBoard, made from the losses and metrics of finished runs.

No rule depends on this module, and it reads only outputs that every run writes.
"""

import json
import shutil
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from elasticity.core.tables import read_rows
from elasticity.training.schemas import LOSSES


def track(results: Path, target: Path) -> int:
    """Write every finished run below ``results`` into its own folder below ``target`` and return their number.

    The horizontal axis counts updates. Existing event files are replaced.
    """
    shutil.rmtree(target, ignore_errors=True)
    tracked = 0
    for path in sorted(results.rglob("metrics.json")):
        metrics = json.loads(path.read_text())
        if metrics.get("updates"):  # imported models and runs of size 0 have none
            _write(path.parent, metrics, target / path.parent.relative_to(results))
            tracked += 1
    return tracked


def _write(run: Path, metrics: dict[str, object], folder: Path) -> None:
    with SummaryWriter(str(folder)) as writer:
        for row in read_rows(run / "losses.parquet", LOSSES):
            for column in ("loss", "learning_rate", "tokens"):
                writer.add_scalar(f"update/{column}", row[column], row["update"])
        for name, value in metrics.items():
            if isinstance(value, int | float):
                writer.add_scalar(f"run/{name}", value)
