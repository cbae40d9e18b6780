"""Progress of jobs on a terminal, in a log and in a journal, with a given clock."""

import contextlib
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elasticity.runtime.journal import Journal
from elasticity.runtime.progress import duration, how_far, progress
from tests.conftest import ROOT


class RecordingJournal(Journal):
    """A journal that records calls of ``advance``."""

    def __init__(self) -> None:
        super().__init__(Path("checkpoints"))
        self.notes: list[tuple[Any, ...]] = []

    def advance(self, *note: Any) -> None:
        self.notes.append(note)


@pytest.fixture
def journal() -> RecordingJournal:
    return RecordingJournal()


def ticking(step_s: float) -> Callable[[], float]:
    """A clock by which each item takes ``step_s`` seconds."""
    times = iter(range(10_000))
    return lambda: next(times) * step_s


def test_every_item_passes_and_counts_when_it_is_done(journal: RecordingJournal) -> None:
    seen = []
    for item in progress("abc", "generate", "checkpoints", journal, clock=ticking(2)):
        seen.append((item, journal.notes[-1][1]))
    assert seen == [("a", 0), ("b", 1), ("c", 2)]
    assert journal.notes[-1] == ("generate", 3, 3, "checkpoints", 0.5)


def test_a_resumed_run_counts_all_items_but_its_rate_is_of_this_attempt(journal: RecordingJournal) -> None:
    list(progress(range(90, 100), "train", "updates", journal, start=90, clock=ticking(0.5)))
    assert journal.notes[0] == ("train", 90, 100, "updates", 0.0)
    assert journal.notes[1] == ("train", 91, 100, "updates", 2.0)
    assert journal.notes[-1] == ("train", 100, 100, "updates", 2.0)


def test_a_log_gets_a_line_a_minute(journal: RecordingJournal, capsys: pytest.CaptureFixture[str]) -> None:
    list(progress(range(10), "train", "updates", journal, clock=ticking(25)))
    assert capsys.readouterr().err.splitlines() == [
        "train: 3/10 updates, 2.4 a minute, 2 min 55 s left",
        "train: 6/10 updates, 2.4 a minute, 1 min 40 s left",
        "train: 9/10 updates, 2.4 a minute, 25 s left",
    ]


def test_only_the_first_process_writes_lines(
    journal: RecordingJournal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert list(progress(range(10), "train", "updates", journal, clock=ticking(25))) == list(range(10))
    assert capsys.readouterr().err == ""


def test_a_clock_that_stands_still_gives_no_rate(journal: RecordingJournal) -> None:
    list(progress([1], "train", "updates", journal, clock=lambda: 5.0))
    assert journal.notes[-1] == ("train", 1, 1, "updates", 0.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (140, "2 min 20 s"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h")],
)
def test_durations_are_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_large_numbers_have_separators() -> None:
    assert how_far(1200, 40_000, "updates", 4.0) == "1,200/40,000 updates, 4 a second, 2 h 41 min left"
    assert how_far(0, 4, "checkpoints", 0.0) == "0/4 checkpoints"


def test_a_terminal_gets_a_bar_that_begins_where_the_run_resumes() -> None:
    terminal, other_end = pty.openpty()
    termios.tcsetwinsize(other_end, (24, 80))
    code = (
        "from pathlib import Path; from elasticity.runtime.journal import Journal; "
        "from elasticity.runtime.progress import progress; "
        "list(progress(range(90, 100), 'train', 'updates', Journal(Path('checkpoints')), start=90))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    subprocess.run([sys.executable, "-c", code], stderr=other_end, env=environment, check=True)
    os.close(other_end)
    shown = b""
    with contextlib.suppress(OSError):  # raised when the other end of a terminal is closed
        while True:
            shown += os.read(terminal, 10_000)
    assert b"train:  90%" in shown
    assert b"100/100" in shown
