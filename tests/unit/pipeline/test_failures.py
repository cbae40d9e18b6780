"""What is told about jobs that did not end well, in folders that real journals and logs were left in."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from elasticity.pipeline.status import LOG_LINES, SILENT_DEATH, report
from elasticity.runtime.journal import Journal, journal_path


@dataclass
class Job:
    """What a report reads of Snakemake's jobs, and of groups of them."""

    output: list[str]
    log: list[str] = field(default_factory=lambda: ["job.log"])
    name: str = "response"
    jobs: tuple["Job", ...] = ()

    @property
    def rule(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.name)

    def is_group(self) -> bool:
        return bool(self.jobs)


@pytest.fixture(autouse=True)
def _called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [sys.executable, "--cores", "2", "--configfile", "my study.yaml", "-F"])


def fail(output: str, message: str, log: str = "") -> None:
    """Leave what a failed job leaves."""
    journal = Journal(Path(output))
    journal.open()
    journal.close("failed", message)
    Path("job.log").write_text(log)


def test_a_message_is_told_once_and_with_the_command() -> None:
    fail("out/checkpoints", "loss nan:\nlower the learning rate", "error: loss nan:\nlower the learning rate\n")
    lines = report([Job(["out/losses", "out/checkpoints"])], {"all"}).splitlines()
    assert lines == [
        "",
        "response failed: out/checkpoints",
        "  loss nan:",
        "  lower the learning rate",
        "  run only this again:",
        f"    {sys.executable} --cores 2 --configfile 'my study.yaml' -- out/checkpoints",
    ]


def test_targets_of_the_failed_run_are_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [sys.executable, "--cores", "2", "--", "a.csv", "b.csv"])
    fail("out/checkpoints", "no")
    assert report([Job(["out/checkpoints"])], {"a.csv", "b.csv"}).rstrip().endswith("--cores 2 -- out/checkpoints")


@pytest.mark.parametrize("words", [["--cores", "2"], []])
def test_snakemake_as_a_module_is_called_as_one(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", [__file__, *words])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "snakemake", *words])
    fail("out/checkpoints", "no")
    assert " ".join(["python -m snakemake", *words, "-- out/checkpoints"]) in report([Job(["out/checkpoints"])], set())


def test_a_traceback_ends_the_log() -> None:
    log = [f"line {number}" for number in range(50)] + ["KeyError: 'x'"]
    fail("out/checkpoints", "KeyError: 'x'", "\n".join(log))
    text = report([Job(["out/checkpoints"])], set())
    assert "  KeyError: 'x'\n  job.log ends:\n" in text
    assert text.count("KeyError") == 1
    assert text.count("  | line") == LOG_LINES - 1
    assert "  | line 49\n" in text


def test_a_job_that_died_before_its_journal_is_known_by_its_log() -> None:
    Path("job.log").write_text("ModuleNotFoundError: No module named 'torch'\n")
    text = report([Job(["out/checkpoints"])], set())
    assert "response failed: out/checkpoints\n  job.log ends:\n  | ModuleNotFoundError" in text


def test_a_job_without_journal_and_log_still_has_its_command() -> None:
    assert "response failed: out/checkpoints\n  run only this again:\n" in report([Job(["out/checkpoints"])], set())


def test_a_killed_job_could_not_say_why() -> None:
    Path("out").mkdir()
    journal_path(Path("out/checkpoints")).write_text('{"state": "running"}')
    assert f"response failed: out/checkpoints\n  {SILENT_DEATH}\n" in report([Job(["out/checkpoints"])], set())


def test_of_a_group_only_what_began_is_told() -> None:
    fail("out/checkpoints", "no")
    group = Job([], jobs=(Job(["out/responses"]), Job(["out/checkpoints"], name="inverse")))
    assert "inverse failed: out/checkpoints" in report([group], set())
    assert "out/responses" not in report([group], set())


def test_a_group_that_never_began_is_told_whole() -> None:
    text = report([Job([], jobs=(Job(["out/checkpoints"]), Job(["out/responses"])))], set())
    assert text.index("response failed: out/responses") < text.index("response failed: out/checkpoints")


def test_nothing_failed_nothing_told() -> None:
    assert report([], set()) == ""


def test_the_journal_of_another_process_says_nothing_about_this_failure(
    begin: Callable[[Path], subprocess.Popen[str]],
) -> None:
    begin(Path("out/checkpoints"))
    Path("job.log").write_text("error: out/checkpoints is being written by process 7\n")
    text = report([Job(["out/checkpoints"])], set())
    assert (
        "response failed: out/checkpoints\n  job.log ends:\n  | error: out/checkpoints is being written by process 7\n"
        in text
    )


def test_a_job_without_outputs_has_nothing_to_run_again() -> None:
    assert report([Job([], name="plan")], set()) == ""
