"""A training job that is killed goes on where it was and ends at the same bits."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elasticity.digests import canonical_json, folder_digest
from tests.conftest import ROOT, Project, tiny_study

pytestmark = pytest.mark.slow

UPDATES = 120


def command(results: Path, output: Path) -> list[str]:
    model = tiny_study()["models"]["nano"] | {"updates": UPDATES, "checkpoints": [40], "hidden_size": 32}
    model["optimization"] = model["optimization"] | {"batch_size": 1}
    texts, tokenizer = results / "made-up/pools/pretraining.parquet", results / "made-up/tokenizers/320"
    arguments = {"texts": texts, "tokenizer": tokenizer, "rungs": output / "rungs", "losses": output / "losses.parquet"}
    arguments |= {"metrics": output / "metrics.json", "state": output / "state"}
    options = [text for name, path in arguments.items() for text in (f"--{name}", str(path))]
    job = canonical_json({"model": model, "rungs": [40, UPDATES]})
    return [sys.executable, str(ROOT / "workflow/scripts/pretrain.py"), job, *options]


def published(output: Path) -> int:
    """The last update that a state was published for."""
    return max((int(path.name.split("-")[1]) for path in output.glob("state/*/update-*")), default=0)


def test_killed_three_times_and_bit_equal(finished: Project, tmp_path: Path) -> None:
    results, whole, killed = finished.folder / "results/tiny", tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command(results, whole), env=environment, check=True, capture_output=True)
    environment |= {"ELASTICITY_SAVE_EVERY_S": "0"}
    random.seed(1)
    reached = [0]
    for _ in range(3):
        process = subprocess.Popen(command(results, killed), env=environment, stdout=subprocess.DEVNULL)
        while published(killed) < reached[-1] + random.randint(1, 20) and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        reached.append(published(killed))
    assert reached == sorted(set(reached))  # each attempt went on from the one before
    subprocess.run(command(results, killed), env=environment, check=True, capture_output=True)
    assert folder_digest(killed / "rungs") == folder_digest(whole / "rungs")
    assert (killed / "losses.parquet").read_bytes() == (whole / "losses.parquet").read_bytes()
    assert not list((killed / "state").iterdir())
