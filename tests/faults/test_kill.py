"""A killed training job resumes and gives the same bytes; a job that is still running is not disturbed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elasticity.core.digests import canonical_json, folder_digest
from elasticity.runtime.journal import journal_path, read_journal
from tests.conftest import ROOT, Project, tiny_study

pytestmark = pytest.mark.slow

UPDATES = 120


def command(results: Path, output: Path) -> list[str]:
    model = tiny_study()["models"]["nano"] | {"updates": UPDATES, "checkpoints": [40], "hidden_size": 32}
    model["optimization"] = model["optimization"] | {"batch_size": 1}
    texts, tokenizer = results / "made-up/splits/pretraining.parquet", results / "made-up/tokenizers/320"
    arguments = {
        "texts": texts,
        "tokenizer": tokenizer,
        "checkpoints": output / "checkpoints",
        "losses": output / "losses.parquet",
    }
    arguments |= {"metrics": output / "metrics.json", "state": output / "state"}
    options = [text for name, path in arguments.items() for text in (f"--{name}", str(path))]
    job = canonical_json({"model": model, "checkpoints": [40, UPDATES]})
    return [sys.executable, str(ROOT / "workflow/scripts/pretrain.py"), job, *options]


def published(output: Path) -> int:
    """Return the last update whose state was published."""
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
    assert reached == sorted(set(reached))  # each attempt resumed the one before
    subprocess.run(command(results, killed), env=environment, check=True, capture_output=True)
    assert folder_digest(killed / "checkpoints") == folder_digest(whole / "checkpoints")
    assert (killed / "losses.parquet").read_bytes() == (whole / "losses.parquet").read_bytes()
    assert not list((killed / "state").iterdir())


def test_a_second_job_is_refused_while_the_first_one_is_running(finished: Project, tmp_path: Path) -> None:
    """A job continues when Snakemake is killed, and the next Snakemake starts the same job again."""
    start = command(finished.folder / "results/tiny", tmp_path)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ELASTICITY_SAVE_EVERY_S": "0"}
    orphan = subprocess.Popen(start, env=environment, stdout=subprocess.DEVNULL)
    while not published(tmp_path):
        assert orphan.poll() is None
        time.sleep(0.001)
    orphan.send_signal(signal.SIGSTOP)  # so that it cannot finish meanwhile
    impatient = environment | {"ELASTICITY_LOCK_PATIENCE_S": "0"}
    second = subprocess.run(start, env=impatient, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"{tmp_path}/checkpoints is being written by process {orphan.pid} on " in second.stderr
    assert f"kill {orphan.pid}" in second.stderr
    assert "Traceback" not in second.stderr
    reached = published(tmp_path)
    orphan.send_signal(signal.SIGKILL)
    orphan.wait()
    entry = read_journal(journal_path(tmp_path / "checkpoints"))
    assert entry is not None
    assert entry.state == "interrupted"
    third = subprocess.Popen(start, env=environment, stdout=subprocess.DEVNULL)
    # The journal of the orphan is there until the third job, which already holds the lock, writes its own.
    while (entry := read_journal(journal_path(tmp_path / "checkpoints"))) and not (
        entry.pid == third.pid and entry.total
    ):
        time.sleep(0.001)
    assert entry is not None
    assert (entry.pid, entry.state, entry.total) == (third.pid, "running", UPDATES)
    assert entry.done >= reached > 0
    assert third.wait() == 0
    assert not journal_path(tmp_path / "checkpoints").exists()
