"""Journals of real processes: the lock, what readers see, and what is left after a job."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from elasticity.core.errors import UserError
from elasticity.runtime import journal
from elasticity.runtime.journal import Entry, Journal, journal_path, journals, output_of, read_journal
from tests.conftest import ROOT
from tests.unit.runtime.conftest import Spawn

HOLD = "journal.open(); journal.advance('train', 3, 10, 'updates', 0.5); print('open'); input()"
"""A job that has done three of ten updates and then waits for a line."""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "run" / "checkpoints"


@pytest.fixture
def start(output: Path, spawn: Spawn) -> Spawn:
    """Run code in another process, with a journal of the same output."""
    imports = "from pathlib import Path; from elasticity.runtime.journal import *"
    own = f"journal = Journal(Path({str(output)!r}))"
    return lambda code, **environment: spawn(f"{imports}; {own}; {code}", **environment)


def line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Let a process that waits for a line finish; returns what it printed."""
    return process.communicate("\n")


@pytest.fixture
def holder(start: Spawn) -> subprocess.Popen[str]:
    process = start(HOLD)
    assert line(process) == "open"
    return process


def test_the_journal_is_a_hidden_file_beside_the_output(output: Path) -> None:
    assert journal_path(output) == output.parent / ".checkpoints.journal"
    assert output_of(journal_path(output)) == output


def test_a_reader_sees_how_far_a_running_job_is(holder: subprocess.Popen[str], output: Path) -> None:
    entry = read_journal(journal_path(output))
    assert entry is not None
    assert (entry.state, entry.pid, entry.host) == ("running", holder.pid, os.uname().nodename)
    assert (entry.what, entry.done, entry.total, entry.unit, entry.rate) == ("train", 3, 10, "updates", 0.5)
    assert entry.started <= entry.updated


def test_reading_does_not_release_the_lock(holder: subprocess.Popen[str], start: Spawn, output: Path) -> None:
    for _ in range(3):
        assert [found for found, _ in journals(output.parent.parent)] == [output]
    _, errors = start("journal.open()", ELASTICITY_LOCK_PATIENCE_S="0").communicate()
    assert f"process {holder.pid}" in errors


def test_a_held_lock_is_an_error_that_names_the_holder(
    holder: subprocess.Popen[str], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTICITY_LOCK_PATIENCE_S", "0")
    with pytest.raises(UserError) as caught:
        Journal(output).open()
    who = f"process {holder.pid} on {os.uname().nodename}"
    assert str(caught.value).startswith(f"{output} is being written by {who}: wait")
    assert str(caught.value).endswith(f"end it first: kill {holder.pid} on {os.uname().nodename}")


def test_a_holder_in_a_slurm_job_is_named_with_its_job(
    start: Spawn, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line(start(HOLD, SLURM_JOB_ID="77")) == "open"
    monkeypatch.setenv("ELASTICITY_LOCK_PATIENCE_S", "0")
    with pytest.raises(UserError, match=r"SLURM job 77.*scancel 77"):
        Journal(output).open()


@pytest.mark.parametrize("ending", ["journal.remove()", "journal.close('failed', 'no memory')"])
def test_a_waiting_process_gets_the_lock_when_the_holder_ends(start: Spawn, output: Path, ending: str) -> None:
    first = start(f"{HOLD}; {ending}")
    assert line(first) == "open"
    second = start(HOLD)
    assert line(second).startswith(f"waiting up to 60 s for process {first.pid}")
    end(first)
    assert line(second) == "open"
    entry = read_journal(journal_path(output))
    assert entry is not None
    assert (entry.state, entry.pid, entry.message) == ("running", second.pid, "")


def test_kill_9_frees_the_lock_and_leaves_an_interrupted_job(holder: subprocess.Popen[str], output: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    entry = read_journal(journal_path(output))
    assert entry is not None
    assert (entry.state, entry.done, entry.pid) == ("interrupted", 3, holder.pid)
    mine = Journal(output)
    mine.open()
    mine.remove()


def test_a_job_that_is_done_leaves_nothing(output: Path) -> None:
    mine = Journal(output)
    mine.open()
    assert journal_path(output).exists()
    mine.remove()
    assert not list(output.parent.iterdir())
    assert list(journals(output.parent)) == []


def test_a_job_that_failed_leaves_its_message_and_its_log(start: Spawn, output: Path) -> None:
    _, errors = start("journal.open(); journal.close('failed', 'no memory')").communicate()
    assert errors == ""
    ((found, entry),) = journals(output.parent)
    assert (found, entry.state, entry.message, entry.log) == (output, "failed", "no memory", "")


def test_the_log_is_where_standard_output_goes(output: Path, tmp_path: Path) -> None:
    code = f"from pathlib import Path; from elasticity.runtime.journal import *; Journal(Path({str(output)!r})).open()"
    with (tmp_path / "job.log").open("w") as log:
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
        subprocess.run([sys.executable, "-c", code], stdout=log, env=environment, check=True)
    entry = read_journal(journal_path(output))
    assert entry is not None
    assert entry.log == str(tmp_path / "job.log")


@pytest.mark.parametrize("text", ["", '{"state": "fail', '{"sta', "[1]", '{"unknown": 1}', "\xff"])
def test_an_incomplete_journal_is_that_of_an_interrupted_job(output: Path, text: str) -> None:
    output.parent.mkdir()
    journal_path(output).write_bytes(text.encode("latin-1"))
    assert read_journal(journal_path(output)) == replace(Entry(), state="interrupted")


def test_the_rest_of_a_longer_text_is_ignored(output: Path) -> None:
    output.parent.mkdir()
    journal_path(output).write_text(json.dumps({"state": "failed", "message": "short"}) + 'r", "done": 7}')
    assert read_journal(journal_path(output)) == Entry(state="failed", message="short")


def test_other_processes_of_a_job_write_no_journal(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    mine = Journal(output)
    mine.open()
    mine.advance("train", 1, 2, "updates", 1.0)
    mine.close("failed", "lost the first process")
    mine.remove()
    assert not output.parent.exists()


def test_the_first_of_several_processes_writes_the_journal(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    Journal(output).open()
    assert journal_path(output).exists()


def test_a_journal_is_written_at_most_once_a_second(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    mine = Journal(output)
    mine.open()
    written = []
    for done in range(40):
        now += 0.25
        mine.advance("train", done, 40, "updates", 4.0)
        written.append(json.loads(journal_path(output).read_text())["done"])
    assert sorted(set(written)) == [*range(0, 40, 4)]


# The holder may end between two steps of this process: a wrapper around one step makes that certain


def test_a_lock_on_a_journal_that_was_removed_meanwhile_is_taken_again(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try_lock, removed = journal.try_lock, []

    def late(descriptor: int) -> bool:
        if not removed:
            removed.append(journal_path(output).unlink())
        return try_lock(descriptor)

    monkeypatch.setattr(journal, "try_lock", late)
    Journal(output).open()
    assert removed
    assert json.loads(journal_path(output).read_text())["pid"] == os.getpid()


def test_a_job_that_ends_while_its_journal_is_read_was_not_interrupted(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(output).open()

    def late(descriptor: int) -> bool:
        journal_path(output).unlink(missing_ok=True)
        return False

    monkeypatch.setattr(journal, "is_held", late)
    assert read_journal(journal_path(output)) is None
