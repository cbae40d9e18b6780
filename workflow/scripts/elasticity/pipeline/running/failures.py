"""What is said of failed jobs at the end of a run: the reason of each, as far as it is known, and what to do."""

import os
import re
import shlex
import signal
import sys
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elasticity.core import disks
from elasticity.runtime.environment import writable_places
from elasticity.runtime.journal import Entry, journal_path, read_journal

LOG_LINES = 10
"""Lines of the end of a log that are shown; the exception of a traceback is among them."""

UNKNOWN = "it ended without a message; why is unknown"

STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.(SIG\w+)")
"""What Python says of a shell command that failed: its exit status, or the signal that killed the shell."""

SURROUNDINGS = re.compile(r"^ *sbatch (?:call|script):$.*|For further error details see.*", re.MULTILINE | re.DOTALL)
"""What executors add to the words of a scheduler, from the first such line on."""

Stamp = tuple[int, int, int] | None
"""The inode, time in nanoseconds and size of a file; None if there is none. A clock that jumps does not matter."""


def stamp(path: Path) -> Stamp:
    """Return the stamp of a file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def memory_kills() -> int | None:
    """Return how many processes of this machine were killed for lack of memory since it was started."""
    try:
        counters = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        return int(counters["oom_kill"])
    except (OSError, ValueError, KeyError):
        return None


@dataclass(frozen=True)
class Attempts:
    """What was noted about the jobs of this run while it went on."""

    before: dict[Path, Stamp] = field(default_factory=dict)
    """Logs and journals as they were when the last attempt of their job began."""
    words: dict[Hashable, str] = field(default_factory=dict)
    """What Snakemake, its executor or the scheduler said of a failed job."""
    full_disks: dict[Hashable, str] = field(default_factory=dict)
    """Which disks were full when a job had failed, before Snakemake removed what it had written."""
    errors: list[str] = field(default_factory=list)
    """All that Snakemake said of errors, in its order."""
    memory_kills: int | None = field(default_factory=memory_kills)
    """Processes of this machine that had been killed for lack of memory when the run began; None if unknown."""

    def begin(self, logs: Iterable[str], outputs: Iterable[str]) -> None:
        """Note the logs and journals of a job that begins."""
        for path in (*map(Path, logs), *(journal_path(Path(output)) for output in outputs)):
            self.before[path] = stamp(path)

    def fail(self, job: Any, said: str) -> None:
        """Note what is said of a job, or group of jobs, that has failed, and which disks are full."""
        self.words[job] = said
        members = list(job.jobs) if job.is_group() else [job]
        folders = {Path(path).parent for member in members for path in member.output}
        found = [disks.full(writable_places(folder)) for folder in sorted(folders)]
        self.full_disks[job] = next(filter(None, found), "")

    def is_of_attempt(self, path: Path) -> bool:
        """Return whether a log or journal was written by the last attempt of its job, not by an earlier one."""
        return path not in self.before or stamp(path) != self.before[path]


def report(failed: Iterable[Any], targets: Collection[str], attempts: Attempts) -> str:
    """The message about failed jobs with which Snakemake ends.

    ``failed`` are Snakemake's jobs, or groups of them; ``targets`` are the targets that it was called with.
    """
    blocks = []
    for job, words, full_disks in _members(failed, attempts):
        left = {path: entry for path in map(Path, job.output) if (entry := _entry(path, attempts))}
        output, entry = next(iter(left.items()), (Path(job.output[0]), None))
        said = words or next((it for it in reversed(attempts.errors) if any(path in it for path in job.output)), "")
        log = Path(job.log[0]) if attempts.is_of_attempt(Path(job.log[0])) else None
        lines = [f"{job.rule.name} failed: {output}"]
        lines += reason(entry, log, full_disks or _words(said, attempts.memory_kills))
        lines += ["  run only this again:", f"    {rerun(_called(targets), [output])}"]
        blocks.append("\n".join(lines))
    return "".join(f"\n{block}\n" for block in sorted(blocks))


def reason(entry: Entry | None, log: Path | None, said: str = "") -> Iterator[str]:
    """Yield lines with the reason why a job ended, indented by two spaces.

    ``entry`` is what the job left in its journal, ``log`` its log, both of this attempt or None; ``said`` is what
    others say of it, in case that it has not left a message.
    """
    message = (entry.message if entry and entry.state != "interrupted" else "") or said
    last = [line for line in _last_lines(log) if line.removeprefix("error: ") not in message]
    if not message and (not last or (entry and entry.state != "running")):  # running: another process writes there
        message = UNKNOWN
    yield from (f"  {line}" for line in message.splitlines())
    if log and last:
        yield f"  {as_typed(log)} ends:"
        yield from (f"  | {line}" for line in last)


def rerun(snakemake: Sequence[str], outputs: Iterable[Path]) -> str:
    """The shell command that makes outputs again."""
    return shlex.join([*snakemake, "--", *map(str, outputs)])


def as_typed(path: Path) -> Path:
    """The path relative to the current folder if it lies in it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _words(said: str, killed_before: int | None) -> str:
    """What Snakemake said of a job, without the command; of a command that failed, how it ended if a signal did it."""
    found = STATUS.search(said)
    if not found:
        return SURROUNDINGS.sub("", said).strip()
    number = signal.Signals[found[2]].value if found[2] else int(found[1]) - 128
    if number not in [it.value for it in signal.Signals]:
        return ""
    name = signal.Signals(number).name
    if number == signal.SIGINT:
        return "stopped by Ctrl-C"
    killed = (memory_kills() or 0) - killed_before if killed_before is not None and number == signal.SIGKILL else 0
    if killed > 0:
        processes = f"{killed} process{'es' if killed > 1 else ''}"
        return f"killed by {name}; meanwhile the system killed {processes} for lack of memory"
    return f"killed by {name}; by whom is unknown"


def _entry(output: Path, attempts: Attempts) -> Entry | None:
    """The journal that the last attempt of a job has left."""
    path = journal_path(output)
    return read_journal(path) if attempts.is_of_attempt(path) else None


def _members(failed: Iterable[Any], attempts: Attempts) -> Iterator[tuple[Any, str, str]]:
    """Yield the failed jobs, with what was said of each and which disks were full.

    Of a group, these are the jobs that began, or all if none of them began.
    """
    for job in failed:
        members = list(job.jobs) if job.is_group() else [job]
        begun = [member for member in members if any(_entry(Path(path), attempts) for path in member.output)]
        noted = attempts.words.get(job, ""), attempts.full_disks.get(job, "")
        yield from ((member, *noted) for member in begun or members if member.output)


def _called(targets: Collection[str]) -> list[str]:
    """The words by which this Snakemake was called, without its targets."""
    words = sys.argv[1:]
    program = sys.argv[:1] if os.access(sys.argv[0], os.X_OK) else sys.orig_argv[: -len(words) or None]
    return program + [word for word in words if word not in {*targets, "--", "--forceall", "-F"}]


def _last_lines(log: Path | None) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log else []
    except OSError:  # no log, or no file
        return []
