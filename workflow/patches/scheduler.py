"""Cache two results that Snakemake computes again and again.

Seen in Snakemake 9.27.1 on a study of 750 jobs, where its process kept half a core busy beside the jobs:

- ``get_function_params`` inspects the signature of every function of a rule anew for every job: a quarter of the time
  of a dry run.
- ``JobScheduler.update_input_sizes`` looks up the sizes of all inputs of all jobs that are ready in every round of
  scheduling, once a second. Slow rounds of scheduling are reported in https://github.com/snakemake/snakemake/issues/4240.

This patch can go when a dry run of a study of 750 jobs, and the processor time of Snakemake beside running jobs, are
the same without it.
"""

import functools
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import snakemake.common
import snakemake.rules
from snakemake.jobs import AbstractJob
from snakemake.scheduling.job_scheduler import JobScheduler

from patches import is_tested

LOST = "large studies take Snakemake more processor time, nothing else changes"


def apply() -> None:
    """Change Snakemake in this process."""
    if not is_tested("scheduler", "snakemake", "9.27", LOST):
        return
    snakemake.common.get_function_params = functools.cache(snakemake.common.get_function_params)
    snakemake.rules.get_function_params = snakemake.common.get_function_params
    JobScheduler.update_input_sizes = functools.partialmethod(_update_new, JobScheduler.update_input_sizes)


async def _update_new(
    scheduler: JobScheduler, update: Callable[..., Coroutine[Any, Any, None]], jobs: Collection[AbstractJob]
) -> None:
    """Look up the sizes of those inputs whose sizes are not known yet.

    The inputs of a job that is ready exist, so their sizes do not change any more.
    """
    known = scheduler._input_sizes.keys()
    await update(scheduler, [job for job in jobs if not known >= set(job.input)])
