"""Keep rounds of scheduling few and short, and end when told to.

Seen in Snakemake 9.27.1 on a study of 1,022 jobs, of which 700 were ready at a time: after 170 jobs its process kept
half a core busy beside the jobs, and more with every job that ended. In releases so far:

- ``get_function_params`` inspects the signature of every function of a rule anew for every job: a quarter of the time
  of a dry run.
- Every round of scheduling plans another one after a second, and so does the round after each job that ends, so each
  job that has ended adds one round a second for the rest of the run. Slow rounds of scheduling are reported in
  https://github.com/snakemake/snakemake/issues/4240.
- Every round looks up the sizes of all inputs of all jobs that are ready.
- SIGTERM takes a lock which the thread that it interrupts may hold: Snakemake then stands still for ever.

This patch can go when a dry run of a study of 750 jobs, and the processor time of Snakemake beside running jobs, are
the same without it.
"""

import functools
import threading
from collections.abc import Callable, Collection, Coroutine
from typing import Any

import snakemake.common
import snakemake.rules
from snakemake.jobs import AbstractJob
from snakemake.scheduling.job_scheduler import JobScheduler

from patches import is_tested

LOST = "large studies take Snakemake more processor time, and SIGTERM may hang it"


def apply() -> None:
    """Change Snakemake in this process."""
    if not is_tested("scheduler", "snakemake", "9.27", LOST):
        return
    snakemake.common.get_function_params = functools.cache(snakemake.common.get_function_params)
    snakemake.rules.get_function_params = snakemake.common.get_function_params
    JobScheduler._schedule_reevalutation = _plan_one_round
    JobScheduler.exit_gracefully = functools.partialmethod(_in_a_thread, JobScheduler.exit_gracefully)
    JobScheduler.update_input_sizes = functools.partialmethod(_update_new, JobScheduler.update_input_sizes)


def _plan_one_round(scheduler: Any, delay: float) -> None:
    """Plan a round of scheduling after ``delay`` seconds, unless one is planned after as long a delay."""
    planned: set[float] = vars(scheduler).setdefault("_planned_rounds", set())

    def begin() -> None:
        planned.remove(delay)  # before the round begins, which may plan the next one
        scheduler._open_jobs.release()

    if delay not in planned:
        planned.add(delay)
        threading.Timer(delay, begin).start()


def _in_a_thread(scheduler: Any, handle: Callable[..., None], *received: object) -> None:
    """Handle a signal in a thread of its own, which can wait for locks."""
    threading.Thread(target=handle, args=(scheduler, *received)).start()


async def _update_new(
    scheduler: Any, update: Callable[..., Coroutine[Any, Any, None]], jobs: Collection[AbstractJob]
) -> None:
    """Look up the sizes of the inputs of those jobs that were not ready before.

    The inputs of a job that is ready exist, so their sizes do not change any more.
    """
    known: set[AbstractJob] = vars(scheduler).setdefault("_jobs_with_sizes", set())
    new = [job for job in jobs if job not in known]
    await update(scheduler, new)
    known.update(new)
