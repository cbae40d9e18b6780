"""The report on failed jobs, in folders with the journals and logs that such jobs leave."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from elasticity.pipeline.status import KILLED, LOG_LINES, report
from elasticity.runtime.journal import Journal, journal_path


@dataclass
class Job:
    """The attributes of Snakemake's jobs, and of groups of jobs, that a report reads."""

    output: list[str]
    log: list[str] = field(default_factory=lambda: ["job.log"])
    name: str = "generate"
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
    """Write the journal and the log of a failed job."""
    journal = Journal(Path(output))
    journal.open()
    journal.close("failed", message)
    Path("job.log").write_text(log)


def test_a_message_is_reported_once_with_the_command_that_repeats_the_job() -> None:
    fail("out/checkpoints", "loss nan:\nlower the learning rate", "error: loss nan:\nlower the learning rate\n")
    lines = report([Job(["out/losses", "out/checkpoints"])], {"all"}).splitlines()
    assert lines == [
        "",
        "generate failed: out/checkpoints",
        "  loss nan:",
        "  lower the learning rate",
        "  run only this again:",
        f"    {sys.executable} --cores 2 --configfile 'my study.yaml' -- out/checkpoints",
    ]


def test_the_command_leaves_out_the_targets_of_the_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [sys.executable, "--cores", "2", "--", "a.csv", "b.csv"])
    fail("out/checkpoints", "no")
    assert report([Job(["out/checkpoints"])], {"a.csv", "b.csv"}).rstrip().endswith("--cores 2 -- out/checkpoints")


@pytest.mark.parametrize("words", [["--cores", "2"], []])
def test_snakemake_that_ran_as_a_module_is_called_as_a_module(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [__file__, *words])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "snakemake", *words])
    fail("out/checkpoints", "no")
    assert " ".join(["python -m snakemake", *words, "-- out/checkpoints"]) in report([Job(["out/checkpoints"])], set())


def test_the_end_of_the_log_does_not_repeat_the_message() -> None:
    log = [f"line {number}" for number in range(50)] + ["KeyError: 'x'"]
    fail("out/checkpoints", "KeyError: 'x'", "\n".join(log))
    text = report([Job(["out/checkpoints"])], set())
    assert "  KeyError: 'x'\n  job.log ends:\n" in text
    assert text.count("KeyError") == 1
    assert text.count("  | line") == LOG_LINES - 1
    assert "  | line 49\n" in text


def test_a_job_that_died_before_it_had_a_journal_is_reported_with_its_log() -> None:
    Path("job.log").write_text("ModuleNotFoundError: No module named 'torch'\n")
    text = report([Job(["out/checkpoints"])], set())
    assert "generate failed: out/checkpoints\n  job.log ends:\n  | ModuleNotFoundError" in text


def test_a_job_without_journal_and_log_is_reported_with_its_command() -> None:
    assert "generate failed: out/checkpoints\n  run only this again:\n" in report([Job(["out/checkpoints"])], set())


def test_a_killed_job_is_reported_as_killed() -> None:
    Path("out").mkdir()
    journal_path(Path("out/checkpoints")).write_text('{"state": "running"}')
    assert f"generate failed: out/checkpoints\n  {KILLED}\n" in report([Job(["out/checkpoints"])], set())


def test_only_the_jobs_of_a_group_that_began_are_reported() -> None:
    fail("out/checkpoints", "no")
    group = Job([], jobs=(Job(["out/responses"]), Job(["out/checkpoints"], name="inverse")))
    assert "inverse failed: out/checkpoints" in report([group], set())
    assert "out/responses" not in report([group], set())


def test_all_jobs_of_a_group_that_never_began_are_reported() -> None:
    text = report([Job([], jobs=(Job(["out/responses"]), Job(["out/checkpoints"])))], set())
    assert text.index("generate failed: out/checkpoints") < text.index("generate failed: out/responses")


def test_the_report_is_empty_if_no_job_failed() -> None:
    assert report([], set()) == ""


def test_the_journal_of_another_process_is_ignored(
    begin: Callable[[Path], subprocess.Popen[str]],
) -> None:
    begin(Path("out/checkpoints"))
    Path("job.log").write_text("error: out/checkpoints is being written by process 7\n")
    text = report([Job(["out/checkpoints"])], set())
    assert (
        "generate failed: out/checkpoints\n  job.log ends:\n  | error: out/checkpoints is being written by process 7\n"
        in text
    )


def test_a_job_without_outputs_is_not_reported() -> None:
    assert report([Job([], name="plan")], set()) == ""
