"""Keep what Snakemake and its executors say of failed jobs, for the report at the end of a run.

Seen in Snakemake 9.27.1 and snakemake-interface-executor-plugins 9.4:

- The words of a scheduler (``sbatch: error: ...``) are printed where a job fails, thousands of lines before the end of
  a run, and not at all if the job is one of a group: ``GroupJob.log_error`` drops its message.
- The log and the hidden files of an earlier attempt stay where they are when a job begins.

This listens to Snakemake's logger, and patches the method by which executors report a failed job. The patch can go when
failed jobs keep their message.
"""

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

from snakemake.logging import logger
from snakemake_interface_executor_plugins.executors.base import AbstractExecutor

from elasticity.pipeline.running.failures import Attempts
from patches import is_tested

LOST = "the report on failed jobs lacks the words of the scheduler"


def apply() -> Attempts:
    """Change Snakemake in this process, and return what will be noted about its jobs."""
    attempts = Attempts()
    listener = Listener(attempts)
    logger.addHandler(listener)
    if is_tested("words", "snakemake", "9.27", LOST):
        AbstractExecutor.report_job_error = functools.partialmethod(_noted, AbstractExecutor.report_job_error, listener)
    return attempts


class Listener(logging.Handler):
    """Notes from Snakemake's log when jobs begin, and what is said of errors."""

    def __init__(self, attempts: Attempts) -> None:
        super().__init__(logging.INFO)
        self.attempts = attempts
        self.last: dict[int | None, str] = {}
        """The last error of each thread: an executor prints why a local job failed just before it reports that."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of a record: its event is that of a job that begins, or it is an error."""
        event = str(getattr(record, "event", ""))
        if event == "job_info" and hasattr(record, "output"):
            self.attempts.begin(getattr(record, "log", None) or (), record.output or ())
        elif record.levelno >= logging.ERROR and event in ("error", ""):
            self.last[record.thread] = record.getMessage()
            self.attempts.errors.append(record.getMessage())


def _noted(
    executor: Any, report: Callable[..., None], listener: Listener, info: Any, msg: str | None = None, **more: Any
) -> None:
    """Report a failed job, and keep what is said of it."""
    said = listener.last.pop(threading.get_ident(), "")
    listener.attempts.fail(info.job, msg or said)
    report(executor, info, msg=msg, **more)
