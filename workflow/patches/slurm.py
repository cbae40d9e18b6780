"""Let jobs under SLURM save their state before they end, and let a run outlast an outage of the scheduler.

Seen in snakemake-executor-plugin-slurm 2.8.0 and snakemake-executor-plugin-slurm-jobstep 0.6.1 with SLURM 22.05:

- A job that has run out of time, is preempted or requeued gets SIGTERM, and SIGKILL ``KillWait`` seconds later. But a
  step is over when its first process ends, and the first processes of a batch script and of its step are shells, which
  SIGTERM ends at once: the job gets no time at all. With ``proctrack/cgroup`` only that first process is signalled.
  Known as https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/242 and
  https://github.com/snakemake/snakemake/issues/3241. This part can go when the plugins forward signals to jobs.
- Before each look at its jobs the plugin asks SLURM for MinJobAge. Without an answer it turns from squeue to sacct,
  which fails on a cluster without accounting (compare issue 38 of the plugin,
  https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/38), so the run waits for ever after a short
  outage of the scheduler. This part can go when the plugin keeps to ``--slurm-status-command squeue`` without an
  answer.
- ``Executor.run_job`` catches what goes wrong in a submission, such as a controller that cannot be reached, and names
  the rule of the job in a message. A group of jobs has no rule: that raises again, in a thread that nobody looks at,
  and the run waits for ever. This part can go when a group that cannot be submitted is reported as failed.
- Where no account is given, the plugin asks ``sacct`` for one, and every submission fails on a cluster without that
  program. This part can go when the plugin goes on without an account.

``tests/slurm`` fails without either of the first two parts, ``tests/unit/patches`` without the others.
"""

import functools
from collections.abc import Callable
from logging import Logger

import snakemake_executor_plugin_slurm as slurm
import snakemake_executor_plugin_slurm_jobstep as jobstep
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

from patches import is_tested

LOST = "a job that is preempted or out of time cannot save its state first"

LOST_SUBMITTING = f"{LOST}, and a run may wait for ever after an outage of the scheduler"

OUTLIVE = "trap : TERM USR1"
"""Makes a shell wait for its command when a signal asks both to stop. The command itself has the default handlers."""

FORWARDING = """\
trap 'trap : TERM USR1; kill 0' TERM USR1
{command} &
while wait $!; status=$?; kill -0 $! 2>/dev/null; do :; done
exit $status
"""
"""A shell script that passes the first signal on to its process group and waits until its command has ended.

The command runs in the background because a trap runs only after a command in the foreground has ended. A signal
interrupts ``wait``, whose status is that of the command only when the command has ended.
"""


def apply() -> None:
    """Change the plugins in this process: the one that submits jobs, and the one that runs a job on its node."""
    if is_tested("slurm", "snakemake-executor-plugin-slurm", "2.8", LOST_SUBMITTING):
        slurm.get_min_job_age = functools.cache(slurm.get_min_job_age)
        slurm.validation.get_min_job_age = slurm.get_min_job_age
        slurm.get_account = functools.partial(_account, slurm.get_account)
        slurm.Executor.get_job_exec_prefix = _batch_prefix
        slurm.Executor.run_job = functools.partialmethod(_submit, slurm.Executor.run_job)
    if is_tested("slurm", "snakemake-executor-plugin-slurm-jobstep", "0.6", LOST):
        jobstep.Executor.format_job_exec = _step_command


def _account(guess: Callable[[Logger], str | None], logger: Logger) -> str | None:
    """Guess the account of a job; there is none to guess without the program that the plugin asks for it."""
    try:
        return guess(logger)
    except FileNotFoundError:
        return None


def _batch_prefix(_: RealExecutor, __: JobExecutorInterface) -> str:
    """Shell code before Snakemake in a batch script. It forwards nothing: srun would take a SIGTERM as a kill order."""
    return OUTLIVE


def _submit(
    executor: RealExecutor, run_job: Callable[[RealExecutor, JobExecutorInterface], None], job: JobExecutorInterface
) -> None:
    """Submit a job, and report one that could not be submitted, whatever the reason."""
    try:
        run_job(executor, job)
    except Exception as error:
        why = error.__context__ or error
        executor._report_job_error_threadsafe(SubmittedJobInfo(job), f"The job could not be submitted: {why}")


def _step_command(executor: RealExecutor, job: JobExecutorInterface) -> str:
    """Command that runs a job inside its submission: in a step, unless the job calls srun itself (``mpi``)."""
    command: str = RealExecutor.format_job_exec(executor, job)
    if "mpi" in job.resources.keys():  # noqa: SIM118 (it is a list)
        return f"{OUTLIVE} && {command}"
    # Without a script srun runs Snakemake itself, and no shell.
    return FORWARDING.format(command=command) if executor.workflow.executor_settings.pass_command_as_script else command
