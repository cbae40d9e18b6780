"""GPUs for the jobs of one machine: each takes some that no other job has."""

import fcntl
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path

from elasticity.core.errors import UserError


def visible(environment: Mapping[str, str], count: int) -> list[str]:
    """The GPUs that may be used: those of CUDA_VISIBLE_DEVICES, or the first ``count`` of the machine."""
    given = environment.get("CUDA_VISIBLE_DEVICES")
    return [name for name in given.split(",") if name] if given else [str(number) for number in range(count)]


def take(wanted: int, names: list[str], folder: Path, pause_s: float = 1.0) -> list[str]:
    """Lock so many of the GPUs, waiting until they are free.

    The locks are on files in ``folder`` and belong to this process: they last until it ends, also through ``exec``.

    Raises ``UserError`` if there are not so many.
    """
    if wanted > len(names):
        raise UserError(
            f"the job takes {wanted} GPUs, but there are {len(names)} ({', '.join(names)}): let CUDA_VISIBLE_DEVICES "
            "name more, or set hardware.gpus"
        )
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        locks: dict[str, int] = {}
        for name in names:
            if len(locks) < wanted and (descriptor := _lock(folder / name)) is not None:
                locks[name] = descriptor
        if len(locks) == wanted:
            return list(locks)
        for descriptor in locks.values():  # two jobs that each keep what the other needs would wait for ever
            os.close(descriptor)
        time.sleep(pause_s * random.uniform(0.5, 1.5))


def _lock(path: Path) -> int | None:
    """The descriptor that holds the lock, or nothing if another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.set_inheritable(descriptor, True)
    return descriptor
