"""Jobs that did not end well: why, the last words of their logs, and the command that runs only them again."""

import os
import shlex
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from elasticity.journal import Entry, journal_path, read_journal

LOG_LINES = 10
"""Of the end of a log; the exception of a traceback is among them."""

SILENT_DEATH = "killed before it could say why; often for lack of mem_mb or runtime"


def report(failed: Iterable[Any], targets: Collection[str]) -> str:
    """What a Snakemake that ends with failed jobs tells about them.

    ``failed`` are its jobs, or groups of them; ``targets`` what it was asked for.
    """
    blocks = []
    for job in _members(failed):
        left = {path: entry for path in map(Path, job.output) if (entry := read_journal(journal_path(path)))}
        output, entry = next(iter(left.items()), (Path(job.output[0]), None))
        log = Path(job.log[0])
        lines = [f"{job.rule.name} failed: {output}", *told(entry, log), "  run only this again:"]
        blocks.append("\n".join([*lines, f"    {rerun(_called(targets), [output])}"]))
    return "".join(f"\n{block}\n" for block in sorted(blocks))


def told(entry: Entry | None, log: Path) -> Iterator[str]:
    """Why a job ended, as far as its journal and its log say, indented by two."""
    message = SILENT_DEATH if entry and entry.state == "interrupted" else entry.message if entry else ""
    yield from (f"  {line}" for line in message.splitlines())
    last = [line for line in _last_lines(log) if line.removeprefix("error: ") not in message]
    if last:
        yield f"  {as_typed(log)} ends:"
        yield from (f"  | {line}" for line in last)


def rerun(snakemake: Sequence[str], outputs: Iterable[Path]) -> str:
    """The command for a shell."""
    return shlex.join([*snakemake, "--", *map(str, outputs)])


def as_typed(path: Path) -> Path:
    """A path as short as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _members(failed: Iterable[Any]) -> Iterator[Any]:
    """The jobs that failed. Of a group those that had begun; if none had, all, since none of them ran."""
    for job in failed:
        members = list(job.jobs) if job.is_group() else [job]
        begun = [member for member in members if any(read_journal(journal_path(Path(path))) for path in member.output)]
        yield from (member for member in begun or members if member.output)


def _called(targets: Collection[str]) -> list[str]:
    """How this Snakemake was called, without what it was asked for."""
    words = sys.argv[1:]
    program = sys.argv[:1] if os.access(sys.argv[0], os.X_OK) else sys.orig_argv[: -len(words) or None]
    return program + [word for word in words if word not in {*targets, "--", "--forceall", "-F"}]


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except OSError:  # no log, or no file
        return []
