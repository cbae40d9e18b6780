"""The shells above a job live as long as the job, and a signal to one of them reaches the job."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from snakemake_executor_plugin_slurm.accounts import get_account

from patches.slurm import FORWARDING, OUTLIVE, _account

SAVING = """
import pathlib, signal, sys, time
received = []
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda *_: received.append(number))
pathlib.Path("up").touch()
while not received:
    time.sleep(0.01)
time.sleep(0.3)
pathlib.Path("saved").touch()
sys.exit(75)
"""


def shells(folder: Path) -> subprocess.Popen[bytes]:
    """Start the first shell of a step, which runs the shell of a rule, which runs a job that saves for a while."""
    (folder / "job.py").write_text(SAVING)
    rule = f"bash -c '{OUTLIVE}; set -euo pipefail; {sys.executable} job.py'"
    command = ["sh", "-c", FORWARDING.format(command=rule)]
    first = subprocess.Popen(command, cwd=folder, start_new_session=True)
    while not (folder / "up").exists():
        assert first.poll() is None
        time.sleep(0.01)
    return first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["first", "all"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_job_can_save_its_state(
    tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None], times: int
) -> None:
    """SLURM signals either the first process of a step or all of them, and twice when time has run out."""
    first = shells(tmp_path)
    for _ in range(times):
        send(first.pid, number)
        time.sleep(0.05)
    assert first.wait(timeout=20) == 75
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize("status", [0, 1, 75, 143])
def test_the_exit_status_of_a_command_is_passed_on(status: int) -> None:
    script = FORWARDING.format(command=f"sh -c 'exit {status}'")
    assert subprocess.run(["sh", "-s"], input=script.encode(), check=False, timeout=20).returncode == status


def test_a_cluster_without_accounting_programs_needs_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        get_account(logging.getLogger())
    assert _account(get_account, logging.getLogger()) is None
