"""What the SLURM plugins lack: time for a job that has to end to save its state, and one question asked too often.

A job that has run out of time, is preempted or requeued gets SIGTERM, and SIGKILL after ``KillWait`` seconds. But it
gets no time at all once the first process of its batch script or of its step has ended, and these are shells, which
SIGTERM ends at once. Nor is it certain that anyone else hears of the signal: with ``proctrack/cgroup`` it goes to that
first process alone.
"""

import functools

import snakemake_executor_plugin_slurm as slurm
import snakemake_executor_plugin_slurm_jobstep as jobstep
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

OUTLIVE = "trap : TERM USR1"
"""Lets a shell wait for its command when a signal asks both to stop; the command itself meets the default."""

FORWARDING = """\
trap 'trap : TERM USR1; kill 0' TERM USR1
{command} &
while wait $!; status=$?; kill -0 $! 2>/dev/null; do :; done
exit $status
"""
"""A shell script that hands a signal on to its process group, once, and waits for its command whatever comes.

In the background because a trap runs only after a command in the foreground has ended. A signal interrupts ``wait``,
whose status is that of the command only when the command is gone.
"""


def apply() -> None:
    """Change the plugins in this process: the one that submits jobs, or one that runs a job."""
    # Before each look at its jobs the plugin asks SLURM for MinJobAge. Without an answer it turns from squeue to sacct,
    # and on a cluster without accounting it would wait for ever after a short outage of the scheduler. Its first answer
    # is enough.
    slurm.get_min_job_age = functools.cache(slurm.get_min_job_age)
    slurm.validation.get_min_job_age = slurm.get_min_job_age
    slurm.Executor.get_job_exec_prefix = _batch_prefix
    jobstep.Executor.format_job_exec = _step_command


def _batch_prefix(_: RealExecutor, __: JobExecutorInterface) -> str:
    """What comes before Snakemake in a batch script. No forwarding: srun would take a SIGTERM for an order to kill."""
    return OUTLIVE


def _step_command(executor: RealExecutor, job: JobExecutorInterface) -> str:
    """What runs a job inside its submission: in a step of its own, unless the job calls srun itself (``mpi``)."""
    command: str = RealExecutor.format_job_exec(executor, job)
    if "mpi" in job.resources.keys():  # noqa: SIM118 (it is a list)
        return f"{OUTLIVE} && {command}"
    # Without a script srun runs Snakemake itself, and no shell.
    return FORWARDING.format(command=command) if executor.workflow.executor_settings.pass_command_as_script else command
