"""Assignment of the GPUs of one machine to jobs: each job locks the GPUs that it uses."""

import fcntl
import os
import random
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

    Raises ``UserError`` if there are fewer GPUs than wanted.
    """
    if wanted > len(names):
        raise UserError(
            f"the job takes {wanted} GPUs, but there are {len(names)} ({', '.join(names)}): name more in "
            "CUDA_VISIBLE_DEVICES, or lower hardware.gpus"
        )
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        locks: dict[str, int] = {}
        for name in names:
            if len(locks) < wanted and (descriptor := _lock(folder / name)) is not None:
                locks[name] = descriptor
        if len(locks) == wanted:
            return list(locks)
        for descriptor in locks.values():  # two jobs that each hold what the other needs would wait forever
            os.close(descriptor)
        time.sleep(pause_s * random.uniform(0.5, 1.5))


def _lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock on a file, or None if another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.set_inheritable(descriptor, True)
    return descriptor
