"""The shells above a job: they live as long as it does, and what one of them is told reaches it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from patches.slurm import FORWARDING, OUTLIVE

SAVING = """
import pathlib, signal, sys, time
from elasticity.signals import StopSignal
with StopSignal() as stop:
    pathlib.Path("up").touch()
    while not stop.received:
        time.sleep(0.01)
    time.sleep(0.3)
    pathlib.Path("saved").touch()
    sys.exit(75)
"""


def shells(folder: Path) -> subprocess.Popen[bytes]:
    """The first shell of a step, that of a rule in it, and in that a job which takes a moment to save its state."""
    (folder / "job.py").write_text(SAVING)
    rule = f"bash -c '{OUTLIVE}; set -euo pipefail; {sys.executable} job.py'"
    command = ["sh", "-c", FORWARDING.format(command=rule)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    first = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    while not (folder / "up").exists():
        assert first.poll() is None
        time.sleep(0.01)
    return first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("tell", [os.kill, os.killpg], ids=["first", "all"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_job_can_save_its_state(
    tmp_path: Path, number: signal.Signals, tell: Callable[[int, int], None], times: int
) -> None:
    """SLURM tells either the first process of a step or all of them, and twice when time has run out."""
    first = shells(tmp_path)
    for _ in range(times):
        tell(first.pid, number)
        time.sleep(0.05)
    assert first.wait(timeout=20) == 75
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize("status", [0, 1, 75, 143])
def test_the_status_of_a_command_is_handed_on(status: int) -> None:
    script = FORWARDING.format(command=f"sh -c 'exit {status}'")
    assert subprocess.run(["sh", "-s"], input=script.encode(), check=False, timeout=20).returncode == status
