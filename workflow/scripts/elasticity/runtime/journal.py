"""The journal of a job: a small hidden file beside its main output with the progress of the job, and its lock.

Snakemake deletes declared outputs before each attempt but not other files, so that an attempt finds the journal of the
one before. The lock is a POSIX record lock (``fcntl.lockf``). It works across the nodes of a shared file system and is
released when its holder ends, so that nothing has to be cleaned up after ``kill -9``.
"""

import errno
import fcntl
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from elasticity.core.errors import UserError

WRITE_EVERY_S = 1.0
"""Least number of seconds between two updates of a journal."""


ASK_EVERY_S = 0.5
"""Seconds between two attempts to take a lock that another process holds."""


State = Literal["running", "stopped", "failed", "interrupted"]
"""States of a job. ``interrupted`` is never written: it is the state of a ``running`` job whose lock nobody holds."""


@dataclass(frozen=True)
class Entry:
    """The content of a journal.

    Times are in seconds since 1970. ``rate`` is in units per second, of the current attempt only.
    """

    state: State = "running"
    what: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float = 0.0
    started: float = 0.0
    updated: float = 0.0
    host: str = ""
    pid: int = 0
    slurm_job: str = ""
    message: str = ""
    log: str = ""


def is_first_process() -> bool:
    """Return whether this is the only process of its job, or the first of several (torchrun sets ``RANK``)."""
    return os.environ.get("RANK", "0") == "0"


def journal_path(output: Path) -> Path:
    """Return the path of the journal of a job with this main output."""
    return output.with_name(f".{output.name}.journal")


def output_of(journal: Path) -> Path:
    """Return the main output of the job with this journal."""
    return journal.with_name(journal.name.removeprefix(".").removesuffix(".journal"))


@dataclass
class Journal:
    """The journal that a job writes from ``open`` until ``close`` or ``remove``. Unless it is open, it does nothing.

    A process must not read its own journal: closing any descriptor of the file would release the lock.
    """

    output: Path
    _descriptor: int | None = field(default=None, init=False)
    _entry: Entry = field(default_factory=Entry, init=False)
    _written: float = field(default=0.0, init=False)

    def open(self) -> None:
        """Take the lock and start the journal, unless this is another than the first process of a job.

        If another process holds the lock, waits up to ``ELASTICITY_LOCK_PATIENCE_S`` seconds (default 60), then raises
        ``UserError``.
        """
        if is_first_process():
            self._descriptor = _locked(self.output, float(os.environ.get("ELASTICITY_LOCK_PATIENCE_S", "60")))
            self._entry = Entry(
                started=time.time(),
                host=socket.gethostname(),
                pid=os.getpid(),
                slurm_job=os.environ.get("SLURM_JOB_ID", ""),
                log=_log(),
            )
            self._write()

    def advance(self, what: str, done: int, total: int, unit: str, rate: float) -> None:
        """Record progress. The file is written at most once a second, and whenever ``what`` changes."""
        is_new = what != self._entry.what
        self._entry = replace(self._entry, what=what, done=done, total=total, unit=unit, rate=rate)
        if is_new or time.monotonic() - self._written >= WRITE_EVERY_S:
            self._write()

    def close(self, state: State, message: str) -> None:
        """Record how the job ended, keep the file, and release the lock."""
        self._entry = replace(self._entry, state=state, message=message)
        self._write()
        self._give_up()

    def remove(self) -> None:
        """Delete the journal of a job that succeeded, and release the lock."""
        if self._descriptor is not None:
            journal_path(self.output).unlink(missing_ok=True)
            self._give_up()

    def _write(self) -> None:
        """Rewrite the file in place, because a file that is renamed over it would not be locked."""
        if self._descriptor is not None:
            self._entry = replace(self._entry, updated=time.time())
            text = json.dumps(asdict(self._entry)).encode()
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))
            self._written = time.monotonic()

    def _give_up(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_journal(path: Path) -> Entry | None:
    """Return the content of a journal, or None if the job has ended and removed it.

    The state of a job that died is ``interrupted``. No lock is taken, so that a starting job is not disturbed. The
    entry is empty if the journal is being written at this moment.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        held = is_held(descriptor)
        entry = _parsed(os.pread(descriptor, 1 << 20, 0))
        if entry.state == "running" and not held and not is_held(descriptor):
            return replace(entry, state="interrupted") if is_at(descriptor, path) else None
        return entry
    finally:
        os.close(descriptor)


def journals(folder: Path) -> Iterator[tuple[Path, Entry]]:
    """Yield the main output and the entry of every job below a folder that is running or did not succeed."""
    # not rglob, which fails on Python 3.11 if a running job removes a folder meanwhile; os.walk ignores that
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    for path in sorted(path for path in found if path.match(".*.journal")):
        entry = read_journal(path)
        if entry is not None:
            yield output_of(path), entry


def _locked(output: Path, patience_s: float) -> int:
    """Return a descriptor of the journal of ``output`` on which this process holds the lock."""
    path = journal_path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    start, waits = time.monotonic(), False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if try_lock(descriptor):
            if is_at(descriptor, path):
                return descriptor
            os.close(descriptor)  # the previous holder has removed the file
            continue
        holder = _parsed(os.pread(descriptor, 1 << 20, 0))
        os.close(descriptor)
        if time.monotonic() - start >= patience_s:
            raise UserError(
                f"{output} is being written by {_who(holder)}: wait until it is done and run the same command again, "
                f"or end it first: {_how_to_end(holder)}"
            )
        if not waits:
            print(f"waiting up to {patience_s:g} s for {_who(holder)}, which writes {output}", flush=True)
            waits = True
        time.sleep(ASK_EVERY_S)


def try_lock(descriptor: int) -> bool:
    """Try to take the lock; also returns True on file systems without locks, as some parallel ones are."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        print(f"this file system has no locks ({error.strerror}): make sure that no job runs twice", flush=True)
    return True


def is_held(descriptor: int) -> bool:
    """Return whether another process holds the lock. ``F_GETLK`` asks without taking it."""
    layout = "hhqqi0q"  # struct flock of 64-bit Linux: type, whence, start, length, pid
    asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    answer: int = struct.unpack(layout, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0]
    return answer != fcntl.F_UNLCK


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether a path still refers to this open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _parsed(text: bytes) -> Entry:
    """Return the entry at the beginning of a text, or an empty one if the text is incomplete."""
    try:
        return Entry(**json.JSONDecoder().raw_decode(text.decode())[0])
    except (ValueError, TypeError):
        return Entry()


def _log() -> str:
    """Return the file that standard output is redirected to; empty if it is none."""
    target = os.readlink("/proc/self/fd/1")
    return target if os.path.isfile(target) else ""


def _who(holder: Entry) -> str:
    """Describe the process that holds a lock."""
    job = f", SLURM job {holder.slurm_job}" if holder.slurm_job else ""
    return f"process {holder.pid} on {holder.host}{job}" if holder.pid else "another process"


def _how_to_end(holder: Entry) -> str:
    """Return the command that ends the process that holds a lock."""
    if holder.slurm_job:
        return f"scancel {holder.slurm_job}"
    return f"kill {holder.pid} on {holder.host}" if holder.pid else "`ps` lists it with this path in its command"
