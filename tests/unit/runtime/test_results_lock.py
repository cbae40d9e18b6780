"""The lock of a results folder, between real processes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from elasticity.core.errors import UserError
from elasticity.runtime.results_lock import FILE, RUN, hold
from tests.conftest import ROOT
from tests.unit.runtime.conftest import Spawn

Start = Callable[..., subprocess.Popen[str]]

HOLD = """
from pathlib import Path
from elasticity.core.errors import errors_for_people
from elasticity.runtime.results_lock import hold, is_orphan
with errors_for_people():
    hold(Path({path!r}), beat_s=0.2)
    print("held", flush=True)
    input()
"""


@pytest.fixture
def start(spawn: Spawn) -> Start:
    """Return a function that starts a process that holds a folder until it gets a line."""
    return lambda path, cwd=ROOT: spawn(HOLD.format(path=str(path)), cwd)


def held(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "held\n"


def refusal(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate("\n")
    assert process.returncode == 1
    assert "Traceback" not in errors
    return errors


def test_a_second_run_is_refused_whichever_path_leads_there(start: Start, tmp_path: Path) -> None:
    results, clone, link = tmp_path / "a/results/x", tmp_path / "b", tmp_path / "b/results"
    results.mkdir(parents=True)
    clone.mkdir()
    link.symlink_to(results.parent)
    first = start(results, cwd=tmp_path / "a")
    assert held(first)
    for path in (results, link / "x", tmp_path / "b/../a/results/x"):
        text = refusal(start(path, cwd=clone))
        assert text.startswith(
            f"error: another run writes to {results}: process {first.pid} on {socket.gethostname()}, "
        )
        assert f"started in {tmp_path}/a. Wait until it is done, or end it first (kill {first.pid} on " in text


def test_the_folder_is_free_after_a_run_and_nothing_is_left(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path)
    assert held(first)
    first.communicate("\n")
    assert list(tmp_path.iterdir()) == []
    assert held(start(tmp_path))


def test_the_folder_is_free_at_once_after_its_holder_was_killed(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path)
    assert held(first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert (tmp_path / FILE).exists()
    assert held(start(tmp_path))


def entry(folder: Path, beats: int) -> None:
    """Write what a run on another machine writes, whose lock is not seen here."""
    holder = {"run": "r", "host": "elsewhere", "pid": 7, "folder": "/there", "beats": beats}
    (folder / FILE).write_text(json.dumps(holder))


def test_a_run_on_another_machine_is_seen_by_what_it_writes(start: Start, tmp_path: Path) -> None:
    done = threading.Event()

    def beat() -> None:
        for beats in range(10_000):
            entry(tmp_path, beats)
            if done.wait(0.05):
                break

    entry(tmp_path, 0)
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        assert "process 7 on elsewhere, started in /there" in refusal(start(tmp_path))
    finally:
        done.set()
        thread.join()


def test_a_run_that_died_on_another_machine_is_replaced_after_a_while(start: Start, tmp_path: Path) -> None:
    entry(tmp_path, 5)
    started = time.monotonic()
    assert held(start(tmp_path))
    assert time.monotonic() - started >= 0.6


def test_a_job_knows_whether_the_run_that_started_it_still_holds_the_folder(start: Start, tmp_path: Path) -> None:
    def is_orphan(**environment: str) -> bool:
        code = f"from elasticity.runtime.results_lock import *; print(is_orphan(Path({str(tmp_path)!r})))"
        known = {name: value for name, value in os.environ.items() if name != RUN}
        environment |= {"PYTHONPATH": str(ROOT / "workflow/scripts")}
        done = subprocess.run([sys.executable, "-c", code], env=known | environment, capture_output=True, check=True)
        return done.stdout == b"True\n"

    first = start(tmp_path)
    assert held(first)
    run = json.loads((tmp_path / FILE).read_text())["run"]
    assert not is_orphan(), "no run has started it"
    assert not is_orphan(ELASTICITY_RUN=run)
    assert is_orphan(ELASTICITY_RUN="another")
    first.kill()
    first.wait()
    assert is_orphan(ELASTICITY_RUN=run)
    second = start(tmp_path)
    assert held(second)
    assert is_orphan(ELASTICITY_RUN=run)
    second.communicate("\n")
    assert is_orphan(ELASTICITY_RUN=run), "the file is gone"


@pytest.mark.parametrize("place", ["file", "file/x", "link", "folder"])
def test_something_in_the_place_of_results_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere/else")
    (tmp_path / "folder" / FILE).mkdir(parents=True)
    with pytest.raises(UserError, match=rf"^{tmp_path}/{place}.*, where results go, cannot be used \(.*\): move away"):
        hold(tmp_path / place)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize(
    ("how", "found"), [("size=16k", "the disk is full: "), ("ro", "the file system at .* is read-only")]
)
def test_a_disk_that_cannot_be_written_is_named_before_anything_runs(tmp_path: Path, how: str, found: str) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine lets root mount nothing")
    try:
        with contextlib.suppress(OSError):
            (folder / "ballast").write_bytes(bytes(20_000))
        with pytest.raises(UserError, match=found):
            hold(folder / "x")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
