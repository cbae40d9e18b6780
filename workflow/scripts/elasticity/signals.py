"""Signals that ask a job to stop: from a user, from a scheduler whose time is up, from a preemption."""

import signal
from types import FrameType, TracebackType

STOPPING = (signal.SIGTERM, signal.SIGUSR1)


class StopSignal:
    """Remembers SIGTERM and SIGUSR1 while it is open; a loop looks at it between two updates."""

    def __init__(self) -> None:
        self.received = False

    def __enter__(self) -> "StopSignal":
        self._before = {number: signal.signal(number, self._remember) for number in STOPPING}
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = True
