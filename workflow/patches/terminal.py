"""Let ``--logger rich`` show the time that is left, and a line for each job where there is no terminal.

Seen in snakemake-logger-plugin-rich 0.5.1:

- The display has no remaining time, and counts one job too many as running in each bar.
- The bars of finished rules stay and push those of running rules out of a terminal of 24 rows.
- Where standard error is not a terminal, nothing is printed while jobs run.
- A failed job prints its whole log, or a traceback if it has none. The Snakefile's ``onerror`` reports each failed job
  with its message and the end of its log.

This patch can go when the plugin has options for these.
"""

import time
from typing import Any

from rich.progress import ProgressColumn, Task
from rich.text import Text

from patches import is_tested

PLUGIN = "snakemake-logger-plugin-rich"

LOST = "no remaining time is shown, and no line a job where there is no terminal"

TOTAL = "Total Progress"
"""The plugin's name for the bar of all jobs."""


def apply(workflow: Any) -> None:
    """Change the handler of ``--logger rich`` of a ``snakemake.workflow.Workflow``, if Snakemake was called with it."""
    for handler in workflow.logger_manager.plugin_handlers:
        if type(handler).__module__ == PLUGIN.replace("-", "_") and is_tested("terminal", PLUGIN, "0.5", LOST):
            handler.progress.columns += (Remaining(),)
            Jobs(handler.event_handler).show()


class Remaining(ProgressColumn):
    """The time that is left if the remaining jobs take as long as those that are done."""

    def render(self, task: Task) -> Text:
        """The text of a bar: empty except for the total."""
        if task.description != TOTAL or not task.completed or task.elapsed is None or task.total is None:
            return Text()
        return Text(f"{_duration(task.elapsed / task.completed * (task.total - task.completed))} left", style="cyan")


class Jobs:
    """Follows jobs beside the plugin's event handler, whose methods it replaces by its own."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self._begun = events.handle_run_info
        self._info, self._finished = events.handle_job_info, events.handle_job_finished
        self._started: dict[int, float] = {}

    def show(self) -> None:
        """Take over the events of jobs."""
        self._events.handle_run_info = self._run_begun
        self._events.handle_job_info = self._job_started
        self._events.handle_job_finished = self._job_finished
        self._events.handle_job_error = self._job_failed

    def _run_begun(self, event: Any, **kwargs: Any) -> None:
        self._begun(event, **kwargs)
        for bar in self._events.progress.task_ids:
            self._events.progress.update(bar, active=0)

    def _job_started(self, event: Any, **kwargs: Any) -> None:
        self._started[event.jobid] = time.monotonic()
        self._info(event, **kwargs)

    def _job_finished(self, event: Any, **kwargs: Any) -> None:
        self._finished(event, **kwargs)
        if (job := self._events.jobs_info.get(event.job_id)) is None:
            return
        counts = self._events.rule_counts[job["rule"]]
        if counts["completed"] >= counts["total"]:
            self._events.progress_display.set_visible(job["rule"], False)
        if not self._events.console.is_terminal:
            took = _duration(time.monotonic() - self._started.pop(event.job_id))
            done = f"{self._events.completed} of {self._events.total_jobs}"
            self._print(f"{done} done: {_named(job)}, {took}")

    def _job_failed(self, event: Any, **_: Any) -> None:
        job = self._events.jobs_info.get(event.jobid)
        self._print(f"failed: {_named(job) if job else f'job {event.jobid}'}", "red")

    def _print(self, line: str, style: str = "") -> None:
        self._events.console.print(Text(line, style=style), soft_wrap=True)


def _named(job: dict[str, Any]) -> str:
    """The rule and wildcards of a job."""
    return " ".join([job["rule"], *(f"{name}={value}" for name, value in (job["wildcards"] or {}).items())])


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
