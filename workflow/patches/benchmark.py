"""Let benchmark files hold what a job has used that a fork server has forked.

``snakemake.benchmark`` watches a job's shell and its descendants. A process that a fork server has forked
(``elasticity.runtime.preloading``) is none of them: the descendant is the client that waits for it. The server records
what the process has used, and this patch takes it into the benchmark file. Columns that nothing was recorded for are
``-``. Written for Snakemake 9.27.1, which has no way to name further processes of a job.

This patch can go when jobs are no longer forked by servers.
"""

import functools
from collections.abc import Callable
from typing import Any

from snakemake.benchmark import BenchmarkTimer

from elasticity.runtime.preloading import Usage
from patches import is_tested

LOST = "memory and processor time in benchmark files are those of waiting processes"

UsageOf = Callable[[int, float], Usage | None]
"""A function of a shell and the time at which it was started: see ``preloading.usage_of``."""


def apply(usage_of: UsageOf) -> None:
    """Change Snakemake in this process."""
    if is_tested("benchmark", "snakemake", "9.27", LOST):
        BenchmarkTimer.cancel = functools.partialmethod(_add_usage, BenchmarkTimer.cancel, usage_of)


def _add_usage(timer: Any, cancel: Callable[[Any], None], usage_of: UsageOf) -> None:
    """End the measurement of a job that has ended, and take what it has used into the record."""
    cancel(timer)
    if usage := usage_of(timer.pid, timer.main.create_time()):
        record = timer.bench_record
        record.data_collected = True
        record.max_rss, record.cpu_time, record.cpu_usage = usage.memory_mb, usage.cpu_s, 100 * usage.cpu_s
        record.io_in, record.io_out = usage.read_mb, usage.written_mb
        record.max_vms = record.max_uss = record.max_pss = None
