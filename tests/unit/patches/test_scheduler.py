"""The scheduler looks up the size of each input once."""

import asyncio
from types import SimpleNamespace
from typing import Any

from patches import scheduler as patch


def job(*names: str) -> Any:
    return SimpleNamespace(input=list(names))


def test_sizes_are_looked_up_once() -> None:
    asked: list[list[str]] = []
    scheduler: Any = SimpleNamespace(_input_sizes={})

    async def update(scheduler: Any, jobs: Any) -> None:
        names = sorted({name for job in jobs for name in job.input})
        asked.append(names)
        scheduler._input_sizes |= dict.fromkeys(names, 1)

    jobs = [job("a", "b"), job("b", "c")]
    for ready in (jobs, jobs, [*jobs, job("c", "d")], [job()]):
        asyncio.run(patch._update_new(scheduler, update, ready))
    assert asked == [["a", "b", "c"], [], ["c", "d"], []]
