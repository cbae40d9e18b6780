"""Division of items among the processes of one job: with n processes, each takes every n-th item."""

import os
from collections.abc import Sequence
from typing import TypeVar

import torch.distributed as dist

Item = TypeVar("Item")


def share(items: Sequence[Item]) -> list[Item]:
    """Return the items of this process; all of them if there is one (torchrun sets ``RANK`` and ``WORLD_SIZE``)."""
    return list(items[int(os.environ.get("RANK", "0")) :: _count()])


def collect(mine: list[Item]) -> list[Item]:
    """Return the results of all processes in the order of the items, on the first process; elsewhere an empty list.

    ``mine`` are the results of this process, one for each item that ``share`` returned.
    """
    if _count() == 1:
        return mine
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    first = dist.get_rank() == 0
    parts: list[list[Item]] | None = [[] for _ in range(_count())] if first else None
    dist.gather_object(mine, parts)
    if parts is None:
        return []
    return [parts[i % len(parts)][i // len(parts)] for i in range(sum(map(len, parts)))]


def _count() -> int:
    """Return the number of processes of this job."""
    return int(os.environ.get("WORLD_SIZE", "1"))
