"""Assignment of GPUs to jobs, with real processes and the locks that they hold."""

import select
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from elasticity.core.errors import UserError
from elasticity.runtime.gpus import take, visible
from tests.conftest import ROOT

TAKES = """
import os, sys
from pathlib import Path
from elasticity.runtime.gpus import take
taken = take(int(sys.argv[1]), sys.argv[3].split(","), Path(sys.argv[2]), pause_s=0.01)
command = "import sys; print(sys.argv[1], flush=True); input()"
os.execv(sys.executable, [sys.executable, "-c", command, ",".join(taken)])
"""
"""Takes GPUs and is replaced by another program, as launch.py is, which prints them and waits for a line."""


class Job:
    """Another process that takes GPUs."""

    def __init__(self, folder: Path, wanted: int, names: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKES, str(wanted), str(folder), names],
            env={"PYTHONPATH": str(ROOT / "workflow/scripts")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def taken(self) -> set[str]:
        """The GPUs that the process has, waiting until it has them."""
        assert self.process.stdout is not None
        return set(self.process.stdout.readline().strip().split(","))

    def end(self) -> None:
        self.process.communicate("\n")
        assert self.process.returncode == 0


Start = Callable[[int, str], Job]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    jobs = []

    def start(wanted: int, names: str) -> Job:
        jobs.append(Job(tmp_path / "locks", wanted, names))
        return jobs[-1]

    yield start
    for job in jobs:
        job.process.kill()
        job.process.communicate()


def free(folder: Path, names: str) -> set[str]:
    """The GPUs that another process can lock now, one at a time, without waiting."""
    code = (
        "import sys; from pathlib import Path; from elasticity.runtime.gpus import _lock;"
        "print(*[name for name in sys.argv[2].split(',') if _lock(Path(sys.argv[1]) / name) is not None])"
    )
    command = [sys.executable, "-c", code, str(folder), names]
    environment = {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    return set(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split())


def test_jobs_take_different_gpus_and_keep_them_across_exec(start: Start, tmp_path: Path) -> None:
    first, second = start(2, "0,1,2,3,4"), start(2, "0,1,2,3,4")
    taken = first.taken() | second.taken()
    assert len(taken) == 4
    assert free(tmp_path / "locks", "0,1,2,3,4") == {"0", "1", "2", "3", "4"} - taken


def test_a_third_job_waits_until_one_ends(start: Start, tmp_path: Path) -> None:
    first, second = start(1, "0,1"), start(1, "0,1")
    freed, kept = first.taken(), second.taken()
    assert freed | kept == {"0", "1"}
    third = start(1, "0,1")
    assert not select.select([third.process.stdout], [], [], 1)[0]  # it says nothing
    first.end()
    assert third.taken() == freed
    assert free(tmp_path / "locks", "0,1") == set()


def test_a_killed_job_releases_its_gpus(start: Start, tmp_path: Path) -> None:
    job = start(2, "0,1")
    assert job.taken() == {"0", "1"}
    assert free(tmp_path / "locks", "0,1") == set()
    job.process.kill()
    job.process.wait()
    assert free(tmp_path / "locks", "0,1") == {"0", "1"}
    assert start(2, "0,1").taken() == {"0", "1"}


def test_jobs_that_each_want_most_of_the_gpus_do_not_deadlock(start: Start) -> None:
    """Four jobs that see three GPUs in different orders take two of them, one job after another."""
    jobs = [start(2, order) for order in ("0,1,2", "1,2,0", "2,0,1", "2,1,0")]
    waiting = {job.process.stdout: job for job in jobs}
    with selectors.DefaultSelector() as selector:
        for stream in waiting:
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ)
        for _ in jobs:
            ready = selector.select(timeout=60)
            assert len(ready) == 1  # one job at a time has two; none after a minute is a deadlock
            stream = ready[0][0].fileobj
            selector.unregister(stream)
            job = waiting[stream]  # type: ignore[index]
            assert len(job.taken() & {"0", "1", "2"}) == 2
            job.end()


def test_a_waiting_job_holds_no_gpus(start: Start) -> None:
    """One job keeps a GPU and another waits for all three; jobs that need one must still start."""
    assert len(start(1, "0,1,2").taken()) == 1
    start(3, "0,1,2")
    for _ in range(5):
        job = start(1, "0,1,2")
        assert len(job.taken()) == 1
        job.end()


def test_gpus_are_numbered_by_default() -> None:
    assert visible({}, 3) == ["0", "1", "2"]
    assert visible({"CUDA_VISIBLE_DEVICES": ""}, 2) == ["0", "1"]


def test_cuda_visible_devices_is_respected(tmp_path: Path) -> None:
    allowed = visible({"CUDA_VISIBLE_DEVICES": "5,GPU-8932f937,7"}, 8)
    assert allowed == ["5", "GPU-8932f937", "7"]
    assert take(2, allowed, tmp_path) == ["5", "GPU-8932f937"]


def test_more_gpus_than_there_are_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"takes 3 GPUs, but there are 2 \(5, 7\).*CUDA_VISIBLE_DEVICES"):
        take(3, ["5", "7"], tmp_path)


def planted_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


def planted_for_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("plant", [planted_link, planted_for_all, Path.touch])
def test_a_folder_of_locks_that_others_can_write_to_is_refused(plant: Callable[[Path], None], tmp_path: Path) -> None:
    plant(tmp_path / "locks")
    with pytest.raises(UserError, match="is not a folder that only you can write to: remove it, or set TMPDIR"):
        take(1, ["0"], tmp_path / "locks")
    assert not list((tmp_path / "elsewhere").iterdir() if (tmp_path / "elsewhere").exists() else [])


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir(mode=0o700)
    (tmp_path / "locks" / "0").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        take(1, ["0"], tmp_path / "locks")
    assert not (tmp_path / "victim").exists()
