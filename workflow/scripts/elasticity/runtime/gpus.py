"""Assignment of the GPUs of one machine to jobs: each job locks the GPUs that it uses."""

import contextlib
import fcntl
import os
import random
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from elasticity.core.errors import UserError


def visible(environment: Mapping[str, str], count: int) -> list[str]:
    """Return the usable GPUs: those in CUDA_VISIBLE_DEVICES, or the first ``count`` of the machine."""
    given = environment.get("CUDA_VISIBLE_DEVICES")
    return [name for name in given.split(",") if name] if given else [str(number) for number in range(count)]


def take(wanted: int, names: list[str], folder: Path, pause_s: float = 1.0) -> list[str]:
    """Lock ``wanted`` of the GPUs ``names`` and return them, waiting until enough are free.

    The locks are on files in ``folder`` and belong to this process. They last until it ends, also across ``exec``.

    Raises ``UserError`` if there are fewer GPUs than wanted, or if ``folder`` is not this user's alone.
    """
    if wanted > len(names):
        raise UserError(
            f"the job takes {wanted} GPUs, but there are {len(names)} ({', '.join(names)}): name more in "
            "CUDA_VISIBLE_DEVICES, or lower hardware.gpus"
        )
    _make_own(folder)
    waits = False
    while True:
        locks: dict[str, int] = {}
        for name in names:
            if len(locks) < wanted and (descriptor := _lock(folder / name)) is not None:
                locks[name] = descriptor
        if len(locks) == wanted:
            return list(locks)
        for descriptor in locks.values():  # two jobs that each hold what the other needs would wait forever
            os.close(descriptor)
        if not waits:
            held = f"which jobs hold by locks in {folder}"
            print(f"waiting for {wanted} of the GPUs {', '.join(names)}, {held}", file=sys.stderr, flush=True)
            waits = True
        time.sleep(pause_s * random.uniform(0.5, 1.5))


def _make_own(folder: Path) -> None:
    """Make a folder for this user alone, among folders that others can write to.

    Raises ``UserError`` if something else has its name: a link or a folder that another user planted there could hold
    locks for ever, or lead them elsewhere.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise UserError(
            f"{folder}, where jobs lock GPUs, is not a folder that only you can write to: remove it, or set TMPDIR to "
            "a folder of your own"
        )


def _lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock on a file, or None if another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.set_inheritable(descriptor, True)
    return descriptor
