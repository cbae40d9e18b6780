"""Several processes of one job that divide items among them: each takes every n-th."""

import os
from collections.abc import Sequence
from typing import TypeVar

import torch.distributed as dist

Item = TypeVar("Item")


def share(items: Sequence[Item]) -> list[Item]:
    """The items of this process; all where there is one. ``RANK`` and ``WORLD_SIZE`` are set by torchrun."""
    return list(items[int(os.environ.get("RANK", "0")) :: _count()])


def collect(mine: list[Item]) -> list[Item]:
    """The results of all processes, one for each item of ``share`` in the order of the items; on the first process.

    The others get nothing.
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
    return int(os.environ.get("WORLD_SIZE", "1"))
