"""The journal of a job: a small hidden file beside its main output that says how far it is, and is its lock.

Snakemake deletes declared outputs before each attempt but not what lies beside them, so an attempt meets the journal of
the one before. The lock is a POSIX record lock (``fcntl.lockf``): it works across the nodes of a shared file system and
dies with its holder, so after ``kill -9`` nobody has to clean up.
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
"""Seconds between two writings of a journal that advances."""


ASK_EVERY_S = 0.5
"""Seconds between two tries for a lock that is held."""


State = Literal["running", "stopped", "failed", "interrupted"]
"""Interrupted is never written: it is what "running" means when nobody holds the lock."""


@dataclass(frozen=True)
class Entry:
    """What a journal says. Times are seconds since 1970; the rate is in units a second, of this attempt only."""

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
    """Whether this is the only process of its job, or the first of several (``RANK`` is set by torchrun)."""
    return os.environ.get("RANK", "0") == "0"


def journal_path(output: Path) -> Path:
    """Where the journal of a job with this main output lies."""
    return output.with_name(f".{output.name}.journal")


def output_of(journal: Path) -> Path:
    """The main output of the job that keeps this journal."""
    return journal.with_name(journal.name.removeprefix(".").removesuffix(".journal"))


@dataclass
class Journal:
    """Kept by one job from ``open`` to ``close`` or ``remove``; one that is not open does nothing.

    No process may read the journal that it keeps: closing any file that is open on it gives up the lock.
    """

    output: Path
    _descriptor: int | None = field(default=None, init=False)
    _entry: Entry = field(default_factory=Entry, init=False)
    _written: float = field(default=0.0, init=False)

    def open(self) -> None:
        """Take the lock and start the journal; of several processes of a job only the first does.

        Waits up to ``ELASTICITY_LOCK_PATIENCE_S`` seconds (60) if another process has it, and then raises
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
        """Note how far the job is. Cheap: unless it begins something else, it is written at most once a second."""
        is_new = what != self._entry.what
        self._entry = replace(self._entry, what=what, done=done, total=total, unit=unit, rate=rate)
        if is_new or time.monotonic() - self._written >= WRITE_EVERY_S:
            self._write()

    def close(self, state: State, message: str) -> None:
        """Leave the journal behind, saying how the job ended."""
        self._entry = replace(self._entry, state=state, message=message)
        self._write()
        self._give_up()

    def remove(self) -> None:
        """The job is done: its outputs say so."""
        if self._descriptor is not None:
            journal_path(self.output).unlink(missing_ok=True)
            self._give_up()

    def _write(self) -> None:
        """Rewrite in place: a file renamed over this one would not be locked."""
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
    """What a journal says, and ``interrupted`` for a job that died; none if the job ended meanwhile.

    Only looks: no lock is taken, so a job that starts is not disturbed. The details are missing where a journal is read
    while it is written.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        held = _is_held(descriptor)
        entry = _parsed(os.pread(descriptor, 1 << 20, 0))
        if entry.state == "running" and not held and not _is_held(descriptor):
            return replace(entry, state="interrupted") if _is_at(descriptor, path) else None
        return entry
    finally:
        os.close(descriptor)


def journals(folder: Path) -> Iterator[tuple[Path, Entry]]:
    """The main output and the journal of every job below a folder that runs, or did not end well."""
    # not rglob: on Python 3.11 it fails where a running job removes a folder meanwhile, and os.walk passes over that
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    for path in sorted(path for path in found if path.match(".*.journal")):
        entry = read_journal(path)
        if entry is not None:
            yield output_of(path), entry


def _locked(output: Path, patience_s: float) -> int:
    """An open journal whose lock is ours."""
    path = journal_path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    start, waits = time.monotonic(), False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        if _try_lock(descriptor):
            if _is_at(descriptor, path):
                return descriptor
            os.close(descriptor)  # its holder was done and removed it
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


def _try_lock(descriptor: int) -> bool:
    """Whether the lock is ours now; also where the file system has no locks, as some parallel ones do."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        print(f"no locks on this file system ({error.strerror}): see to it that no job runs twice", flush=True)
    return True


def _is_held(descriptor: int) -> bool:
    """Whether another process holds the lock (``F_GETLK`` asks without taking it)."""
    layout = "hhqqi0q"  # struct flock of 64-bit Linux: type, whence, start, length, pid
    asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    answer: int = struct.unpack(layout, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[0]
    return answer != fcntl.F_UNLCK


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the path still leads to this open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _parsed(text: bytes) -> Entry:
    """The entry at the beginning of a text; an empty one if it is half written."""
    try:
        return Entry(**json.JSONDecoder().raw_decode(text.decode())[0])
    except (ValueError, TypeError):
        return Entry()


def _log() -> str:
    """The file that standard output goes to, if it does."""
    target = os.readlink("/proc/self/fd/1")
    return target if os.path.isfile(target) else ""


def _who(holder: Entry) -> str:
    job = f", SLURM job {holder.slurm_job}" if holder.slurm_job else ""
    return f"process {holder.pid} on {holder.host}{job}" if holder.pid else "another process"


def _how_to_end(holder: Entry) -> str:
    if holder.slurm_job:
        return f"scancel {holder.slurm_job}"
    return f"kill {holder.pid} on {holder.host}" if holder.pid else "see `ps` for a script with this output"
