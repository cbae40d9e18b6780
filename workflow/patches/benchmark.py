"""Let benchmark files count the processes that fork servers have forked for a job.

``snakemake.benchmark`` sums memory and processor time of a job's shell and its descendants. A process that a fork
server has forked (``elasticity.runtime.preloading``) is none: the descendant is the client that waits for it. Written
for Snakemake 9.27.1, which has no way to name further processes of a job.

This patch can go when jobs are no longer forked by servers.
"""

import functools
from collections.abc import Callable
from typing import Any

from snakemake.benchmark import BenchmarkTimer

from patches import is_tested

LOST = "memory and processor time in benchmark files are those of waiting processes"


def apply(process_of: Callable[[int], int | None]) -> None:
    """Change Snakemake in this process. ``process_of`` returns the process that a descendant of a shell waits for."""
    if is_tested("benchmark", "snakemake", "9.27", LOST):
        BenchmarkTimer.__init__ = functools.partialmethod(_observe_forked, BenchmarkTimer.__init__, process_of)


def _observe_forked(
    timer: Any, init: Callable[..., None], process_of: Callable[[int], int | None], *args: Any, **kwargs: Any
) -> None:
    init(timer, *args, **kwargs)
    timer.main.children = functools.partial(_children, timer.main.children, type(timer.main), process_of)


def _children(
    find: Callable[..., list[Any]], process: Callable[[int], Any], process_of: Callable[[int], int | None], **how: Any
) -> list[Any]:
    """Return the children that ``find`` finds, and the processes that they wait for, with their own children."""
    found = find(**how)
    forked = [process(pid) for child in found if (pid := process_of(child.pid)) is not None]
    return [*found, *forked, *(child for parent in forked for child in parent.children(**how))]
