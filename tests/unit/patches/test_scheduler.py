"""The scheduler looks up sizes once, plans one round at a time, and hears SIGTERM whenever it comes."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from patches import scheduler as patch


class Job:
    """A job with these inputs."""

    def __init__(self, *names: str) -> None:
        self.input = list(names)


def test_sizes_are_looked_up_once() -> None:
    asked: list[list[str]] = []
    scheduler: Any = SimpleNamespace()

    async def update(scheduler: Any, jobs: Any) -> None:
        asked.append(sorted({name for job in jobs for name in job.input}))

    jobs = [Job("a", "b"), Job("b", "c")]
    for ready in (jobs, jobs, [*jobs, Job("c", "d")], [Job()]):
        asyncio.run(patch._update_new(scheduler, update, ready))
    assert asked == [["a", "b", "c"], [], ["c", "d"], []]


def test_jobs_that_end_add_no_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    timers: list[Any] = []

    def timer(delay: float, begin: Any) -> Any:
        return SimpleNamespace(delay=delay, begin=begin, start=lambda: timers.append((delay, begin)))

    monkeypatch.setattr(threading, "Timer", timer)
    scheduler: Any = SimpleNamespace(_open_jobs=threading.Semaphore(0))
    for _ in range(5):  # five jobs end, and each has a round that plans another one
        patch._plan_one_round(scheduler, 1)
    (planned,) = timers
    planned[1]()
    assert scheduler._open_jobs.acquire(blocking=False)
    assert not scheduler._open_jobs.acquire(blocking=False)

    patch._plan_one_round(scheduler, 1)  # by the round that has begun
    patch._plan_one_round(scheduler, 10)  # after another delay
    assert [delay for delay, _ in timers] == [1, 1, 10]


def test_a_signal_waits_for_the_lock_that_its_own_thread_holds() -> None:
    scheduler: Any = SimpleNamespace(_lock=threading.Lock(), _open_jobs=threading.Semaphore(0), _user_kill=None)
    with scheduler._lock:
        patch._in_a_thread(scheduler, JobScheduler.exit_gracefully, 15, None)
    assert scheduler._open_jobs.acquire(timeout=60)
    assert scheduler._user_kill == "graceful"
