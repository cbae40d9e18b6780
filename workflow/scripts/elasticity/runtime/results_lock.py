"""One run at a time in a results folder, whichever clone it was started in and whichever path leads there.

Snakemake locks the folder in which it was started. Two clones that share a results folder would delete each other's
files. So a run also locks a hidden file in the results folder itself, with a POSIX record lock, which works across the
nodes of a shared file system and ends with its holder, also by ``kill -9``. Some file systems have no locks, or locks
that other nodes do not see. The file therefore also names its holder, who writes into it every few seconds.
"""

import atexit
import contextlib
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from elasticity.core import disks
from elasticity.core.errors import UserError
from elasticity.runtime.environment import writable_places
from elasticity.runtime.journal import is_at, is_held, try_lock

FILE = ".run"
"""Name of the locked file in a results folder."""

RUN = "ELASTICITY_RUN"
"""The environment variable that tells jobs which run has started them."""

BEAT_S = 5.0
"""Seconds between two entries of a holder."""


ENTRY = 1000
"""Characters of an entry, which is padded with spaces."""


@dataclass(frozen=True)
class Holder:
    """The run that holds a results folder. ``beats`` grows as long as it is alive."""

    run: str
    host: str
    pid: int
    folder: str
    beats: int = 0


def hold(results: Path, beat_s: float = BEAT_S) -> None:
    """Hold a results folder until this process ends, and tell the jobs that it starts.

    Raises ``UserError`` if another run holds the folder, or if the folder cannot be written: its disk is full or
    read-only, or something else has its name. After a run on another machine was killed, takes three times ``beat_s``
    seconds to find out that it is dead.
    """
    try:
        _hold(results, beat_s)
    except OSError as error:
        raise UserError(
            disks.reason(error, writable_places(results))
            or f"{error.filename}, where results go, cannot be used ({error.strerror}): move away what is in its place"
        ) from None


def _hold(results: Path, beat_s: float) -> None:
    path = results / FILE
    results.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if not try_lock(descriptor):
            raise _refused(results, _read(descriptor))
        if is_at(descriptor, path):
            break
        os.close(descriptor)  # the holder before has just removed the file
    holder = _read(descriptor)
    if holder and _is_alive(holder, descriptor, beat_s):
        raise _refused(results, holder)
    mine = Holder(uuid.uuid4().hex, socket.gethostname(), os.getpid(), os.getcwd())
    _write(descriptor, mine)
    threading.Thread(target=_beat, args=(descriptor, mine, beat_s), daemon=True).start()
    os.environ[RUN] = mine.run
    atexit.register(path.unlink, missing_ok=True)


def is_orphan(results: Path) -> bool:
    """Return whether this job was started by a run that no longer holds the results folder: it was killed.

    The result is False for a job that no run has started, and where the file system has no locks.
    """
    mine = os.environ.get(RUN)
    if mine is None:
        return False
    try:
        descriptor = os.open(results / FILE, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        holder = _read(descriptor)
        return holder is None or holder.run != mine or not is_held(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _is_alive(holder: Holder, descriptor: int, beat_s: float) -> bool:
    """Return whether a holder lives although this process could lock its file."""
    if holder.host == socket.gethostname() and not Path(f"/proc/{holder.pid}").exists():
        return False
    time.sleep(3 * beat_s)
    return _read(descriptor) != holder


def _beat(descriptor: int, holder: Holder, beat_s: float) -> None:
    while True:
        time.sleep(beat_s)
        holder = replace(holder, beats=holder.beats + 1)
        with contextlib.suppress(OSError):  # a full disk, or a file system that is away for a while
            _write(descriptor, holder)


def _write(descriptor: int, holder: Holder) -> None:
    """Write the entry in place and of one length, so that no reader sees half of it."""
    os.pwrite(descriptor, json.dumps(asdict(holder)).ljust(ENTRY).encode(), 0)


def _read(descriptor: int) -> Holder | None:
    """Return the entry of the holder; None if there is none."""
    try:
        return Holder(**json.loads(os.pread(descriptor, 1 << 16, 0)))
    except (ValueError, TypeError):
        return None


def _refused(results: Path, holder: Holder | None) -> UserError:
    who = f"process {holder.pid} on {holder.host}, started in {holder.folder}" if holder else "another process"
    end = f", or end it first (kill {holder.pid} on {holder.host})" if holder else ""
    return UserError(
        f"another run writes to {results.resolve()}: {who}. Wait until it is done{end}, and run the same command again"
    )
