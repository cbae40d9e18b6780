"""How scripts end: exit status, output and journal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elasticity.runtime.journal import journal_path, read_journal
from tests.conftest import ROOT

SCRIPT = """
from elasticity.runtime.command import Command
from elasticity.core.errors import StoppedError, UserError
from elasticity.models.jobs import TokenizerJob
with Command(None, TokenizerJob, "texts", output="tokenizer") as command:
    {body}
"""


def ran(folder: Path, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with this body."""
    script = folder / "script.py"
    script.write_text(SCRIPT.format(body=body))
    return subprocess.run(
        [sys.executable, str(script), '{"vocabulary": 300}', "--texts", "t", "--tokenizer", str(folder / "tokenizer")],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_that_ends_well_leaves_no_journal(tmp_path: Path) -> None:
    done = ran(tmp_path, "print(command.job.vocabulary, command.path('texts'), command.journal.output.name)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "300 t tokenizer\n", "")
    assert not journal_path(tmp_path / "tokenizer").exists()


def test_a_user_error_is_a_message_and_status_1(tmp_path: Path) -> None:
    done = ran(tmp_path, "raise UserError('too few texts')")
    assert (done.returncode, done.stderr) == (1, "error: too few texts\n")
    entry = read_journal(journal_path(tmp_path / "tokenizer"))
    assert entry is not None
    assert (entry.state, entry.message) == ("failed", "too few texts")


def test_a_run_that_saved_its_state_ends_with_status_75(tmp_path: Path) -> None:
    done = ran(tmp_path, "raise StoppedError('SIGTERM after update 7')")
    assert (done.returncode, done.stderr) == (75, "stopped: SIGTERM after update 7\n")
    entry = read_journal(journal_path(tmp_path / "tokenizer"))
    assert entry is not None
    assert (entry.state, entry.message) == ("stopped", "SIGTERM after update 7")


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    done = ran(tmp_path, "[][1]")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    entry = read_journal(journal_path(tmp_path / "tokenizer"))
    assert entry is not None
    assert (entry.state, entry.message) == ("failed", "IndexError: list index out of range")


def test_ctrl_c_is_named(tmp_path: Path) -> None:
    done = ran(tmp_path, "raise KeyboardInterrupt")
    assert "KeyboardInterrupt" in done.stderr
    entry = read_journal(journal_path(tmp_path / "tokenizer"))
    assert entry is not None
    assert (entry.state, entry.message) == ("stopped", "stopped by Ctrl-C")


@pytest.mark.parametrize(("body", "status"), [("pass", 0), ("raise UserError('no')", 1), ("raise StoppedError()", 75)])
def test_other_processes_of_a_job_end_alike_without_a_journal(tmp_path: Path, body: str, status: int) -> None:
    assert ran(tmp_path, body, RANK="3").returncode == status
    assert not journal_path(tmp_path / "tokenizer").exists()


@pytest.mark.parametrize(("body", "status"), [("pass", 0), ("raise UserError('no')", 1), ("raise StoppedError()", 75)])
def test_one_of_several_processes_ends_without_the_clean_up_of_python(tmp_path: Path, body: str, status: int) -> None:
    """Threads of gloo were seen to abort a process there after all files had been written."""
    done = ran(tmp_path, f"import atexit, os; atexit.register(os.abort); print('done'); {body}", RANK="1")
    assert (done.returncode, done.stdout) == (status, "done\n")
