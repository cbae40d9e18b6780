"""Saved states of training jobs that have not ended: what each is of, and which of them no run will take up."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elasticity.core.digests import STATE_NOTE
from elasticity.runtime.journal import journal_path, read_journal
from elasticity.runtime.progress import duration


@dataclass(frozen=True)
class State:
    """A folder with a saved state."""

    folder: Path
    output: str
    """The checkpoints that its job writes; empty if unknown."""
    size_bytes: int
    changed: float
    """When it was written last, in seconds since 1970."""
    is_used: bool
    """Whether a job that writes this output is running."""
    left: str = ""
    """Why no run will take it up; empty if one may."""


def find_states(results: Path) -> list[State]:
    """Return the states of a study, the newest first."""
    found: list[State] = []
    folders = [path for path in (results / "state").glob("*") if path.is_dir()]
    for folder in sorted(folders, key=_changed, reverse=True):
        output = _output(folder)
        entry = read_journal(journal_path(Path(output))) if output else None
        left = ""
        if folder.name.startswith("removed-"):
            left = "was being deleted"
        elif not output:
            left = "was saved by an earlier version"
        elif any(output == newer.output for newer in found):
            left = "a newer state of the same run is there"
        is_used = entry is not None and entry.state == "running"
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        found.append(State(folder, output, size, _changed(folder), is_used, left))
    return found


def tidy(results: Path, remove: bool, older_days: float | None, now: float | None = None) -> str:
    """List the states of a study, and delete those that no run will take up if ``remove`` says so.

    With ``older_days`` those count, too, that were written longer ago. States of running jobs are never deleted.
    """
    now = time.time() if now is None else now
    states = find_states(results)
    lines = [line for state in states for line in _lines(state, now)]
    gone = [state for state in states if not state.is_used and (state.left or _is_old(state, older_days, now))]
    size = f"{sum(state.size_bytes for state in gone) / 1e6:,.1f} MB"
    if remove:
        for state in gone:
            shutil.rmtree(state.folder)
        lines.append(f"removed {len(gone)} of {len(states)} states, {size}")
    else:
        lines.append(f"{len(states)} states; --remove would remove {len(gone)} of them, {size}")
    return "\n".join(lines)


def _lines(state: State, now: float) -> Iterator[str]:
    what = "in use" if state.is_used else state.left or "the next run of its job goes on from it"
    yield f"{state.folder}: {state.size_bytes / 1e6:,.1f} MB, {duration(max(0.0, now - state.changed))} old: {what}"
    if state.output:
        yield f"  of {state.output}"


def _is_old(state: State, older_days: float | None, now: float) -> bool:
    return older_days is not None and now - state.changed > older_days * 86_400


def _output(folder: Path) -> str:
    try:
        return str(json.loads((folder / STATE_NOTE).read_text())["output"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _changed(folder: Path) -> float:
    return max([folder.stat().st_mtime, *(path.stat().st_mtime for path in folder.iterdir())])
