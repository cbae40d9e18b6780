"""The report on failed jobs, in folders with the journals and logs that such jobs leave."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from elasticity.pipeline.running.failures import LOG_LINES, UNKNOWN, Attempts, memory_kills, report
from elasticity.runtime.journal import Journal, journal_path


@dataclass(eq=False)
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
    lines = report([Job(["out/losses", "out/checkpoints"])], {"all"}, Attempts()).splitlines()
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
    assert (
        report([Job(["out/checkpoints"])], {"a.csv", "b.csv"}, Attempts())
        .rstrip()
        .endswith("--cores 2 -- out/checkpoints")
    )


@pytest.mark.parametrize("words", [["--cores", "2"], []])
def test_snakemake_that_ran_as_a_module_is_called_as_a_module(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [__file__, *words])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "snakemake", *words])
    fail("out/checkpoints", "no")
    assert " ".join(["python -m snakemake", *words, "-- out/checkpoints"]) in report(
        [Job(["out/checkpoints"])], set(), Attempts()
    )


def test_the_end_of_the_log_does_not_repeat_the_message() -> None:
    log = [f"line {number}" for number in range(50)] + ["KeyError: 'x'"]
    fail("out/checkpoints", "KeyError: 'x'", "\n".join(log))
    text = report([Job(["out/checkpoints"])], set(), Attempts())
    assert "  KeyError: 'x'\n  job.log ends:\n" in text
    assert text.count("KeyError") == 1
    assert text.count("  | line") == LOG_LINES - 1
    assert "  | line 49\n" in text


def test_a_job_that_died_before_it_had_a_journal_is_reported_with_its_log() -> None:
    Path("job.log").write_text("ModuleNotFoundError: No module named 'torch'\n")
    text = report([Job(["out/checkpoints"])], set(), Attempts())
    assert "generate failed: out/checkpoints\n  job.log ends:\n  | ModuleNotFoundError" in text


def test_a_job_without_journal_and_log_ended_for_an_unknown_reason() -> None:
    text = report([Job(["out/checkpoints"])], set(), Attempts())
    assert f"generate failed: out/checkpoints\n  {UNKNOWN}\n  run only this again:\n" in text


def test_a_job_that_left_a_journal_only_ended_for_an_unknown_reason() -> None:
    Path("out").mkdir()
    journal_path(Path("out/checkpoints")).write_text('{"state": "running"}')
    assert f"generate failed: out/checkpoints\n  {UNKNOWN}\n" in report([Job(["out/checkpoints"])], set(), Attempts())


def said_of(words: str, attempts: Attempts | None = None) -> str:
    """Return the report on a job of which Snakemake said this."""
    job = Job(["out/checkpoints"])
    attempts = attempts or Attempts()
    attempts.fail(job, words)
    return report([job], set(), attempts)


def exited(status: int) -> str:
    return f"CalledProcessError in file Snakefile, line 3:\nCommand 'set -e' returned non-zero exit status {status}."


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (exited(137), "killed by SIGKILL; by whom is unknown"),
        (exited(139), "killed by SIGSEGV; by whom is unknown"),
        ("Command 'x' died with <Signals.SIGTERM: 15>.", "killed by SIGTERM; by whom is unknown"),
        (exited(130), "stopped by Ctrl-C"),
        (exited(1), UNKNOWN),
        (exited(255), UNKNOWN),
        ("SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'.", "SLURM-job '7' failed, SLURM status is: 'OUT_OF_"),
    ],
)
def test_what_snakemake_and_the_scheduler_say_is_passed_on_without_a_guess(words: str, shown: str) -> None:
    text = said_of(words)
    assert f"generate failed: out/checkpoints\n  {shown}" in text
    assert "mem_mb" not in text
    assert "set -e" not in text


def test_sbatch_speaks_for_itself_without_the_script_that_it_was_given() -> None:
    refused = "SLURM sbatch failed. The error message was 'sbatch: error: invalid partition'.\n"
    text = said_of(f"{refused}    sbatch call:\n        sbatch --parsable\n    sbatch script:\n#!/bin/sh\nsecret\n")
    assert f"  {refused}  run only this again" in text


def test_memory_is_blamed_only_where_the_system_has_killed_for_lack_of_it() -> None:
    now = memory_kills()
    assert now is not None
    assert "memory" not in said_of(exited(137), Attempts(memory_kills=now))
    killed = "killed by SIGKILL; meanwhile the system killed 1 process for lack of memory"
    assert killed in said_of(exited(137), Attempts(memory_kills=now - 1))


def test_what_an_earlier_attempt_has_left_is_not_shown() -> None:
    fail("out/checkpoints", "loss nan", "error: loss nan\n")
    attempts = Attempts()
    attempts.begin(["job.log"], ["out/checkpoints"])
    text = report([Job(["out/checkpoints"])], set(), attempts)
    assert f"generate failed: out/checkpoints\n  {UNKNOWN}\n  run only this again:\n" in text
    fail("out/checkpoints", "loss inf", "error: loss inf\n")
    assert "  loss inf\n" in report([Job(["out/checkpoints"])], set(), attempts)


def test_a_clock_that_jumps_back_hides_nothing() -> None:
    fail("out/checkpoints", "loss nan", "error: loss nan\n")
    attempts = Attempts()
    attempts.begin(["job.log"], ["out/checkpoints"])
    fail("out/checkpoints", "loss inf", "error: loss inf\n")
    for path in (Path("job.log"), journal_path(Path("out/checkpoints"))):
        os.utime(path, (1, 1))
    assert "  loss inf\n" in report([Job(["out/checkpoints"])], set(), attempts)


def test_an_error_after_the_command_of_a_job_is_found_by_its_output() -> None:
    attempts = Attempts(errors=["Output out/checkpoints has older modification time than input a", "another"])
    assert "  Output out/checkpoints has older modification time" in report([Job(["out/checkpoints"])], set(), attempts)


def test_only_the_jobs_of_a_group_that_began_are_reported() -> None:
    fail("out/checkpoints", "no")
    group = Job([], jobs=(Job(["out/responses"]), Job(["out/checkpoints"], name="inverse")))
    assert "inverse failed: out/checkpoints" in report([group], set(), Attempts())
    assert "out/responses" not in report([group], set(), Attempts())


def test_all_jobs_of_a_group_that_never_began_are_reported() -> None:
    text = report([Job([], jobs=(Job(["out/responses"]), Job(["out/checkpoints"])))], set(), Attempts())
    assert text.index("generate failed: out/checkpoints") < text.index("generate failed: out/responses")


def test_the_report_is_empty_if_no_job_failed() -> None:
    assert report([], set(), Attempts()) == ""


def test_the_journal_of_another_process_is_ignored(
    begin: Callable[[Path], subprocess.Popen[str]],
) -> None:
    begin(Path("out/checkpoints"))
    Path("job.log").write_text("error: out/checkpoints is being written by process 7\n")
    text = report([Job(["out/checkpoints"])], set(), Attempts())
    assert (
        "generate failed: out/checkpoints\n  job.log ends:\n  | error: out/checkpoints is being written by process 7\n"
        in text
    )


def test_a_job_without_outputs_is_not_reported() -> None:
    assert report([Job([], name="plan")], set(), Attempts()) == ""
