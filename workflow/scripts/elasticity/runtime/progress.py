"""Progress of a job: a bar on a terminal, a line per minute in a log, and the entry in its journal."""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from tqdm import tqdm

from elasticity.runtime.journal import Journal, is_first_process

Item = TypeVar("Item")


LINE_EVERY_S = 60.0
"""Seconds between two lines in a log."""


def progress(
    items: Collection[Item],
    what: str,
    unit: str,
    journal: Journal,
    start: int = 0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Item]:
    """Yield the items and report progress. An item counts as done when the next one is requested.

    ``what`` describes the work and ``unit`` the items. ``start`` items were done by earlier attempts: they count as
    done, but the reported rate is that of this attempt.
    """
    total = start + len(items)
    bar = tqdm(items, desc=what, unit=f" {unit}", initial=start, total=total, disable=None)
    lines = bar.disable and is_first_process()
    began = told = clock()
    journal.advance(what, start, total, unit, 0.0)
    for done, item in enumerate(bar, start=start + 1):
        yield item
        now = clock()
        rate = (done - start) / (now - began) if now > began else 0.0
        journal.advance(what, done, total, unit, rate)
        if lines and now - told >= LINE_EVERY_S:
            print(f"{what}: {how_far(done, total, unit, rate)}", file=sys.stderr, flush=True)
            told = now


def how_far(done: int, total: int, unit: str, rate: float) -> str:
    """Return progress as text: ``120/400 updates, 2 a second, 2 min 20 s left``."""
    text = f"{done:,}/{total:,} {unit}"
    if rate == 0:
        return text
    speed = f"{rate:.3g} a second" if rate >= 1 else f"{60 * rate:.3g} a minute"
    return f"{text}, {speed}, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``45 s``, ``2 min 20 s``, ``3 h 5 min``, ``2 d 4 h``."""
    for large, name, small, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= large:
            return f"{int(seconds // large)} {name} {int(seconds % large // small)} {part}"
    return f"{seconds:.0f} s"
