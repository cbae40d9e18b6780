"""The command line of a job script, and how the script ends."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from elasticity.config.base import Section
from elasticity.core import disks
from elasticity.core.errors import StoppedError, UserError, errors_for_people
from elasticity.runtime.environment import writable_places
from elasticity.runtime.journal import Journal

Job = TypeVar("Job", bound=Section)


class Command(Generic[Job]):
    """The parsed command line ``SCRIPT JOB --NAME PATH [PATH ...] ...`` of a script.

    ``JOB`` is JSON of the type ``job``. Each name in ``names`` and ``output``, the main output, takes one or more
    paths; names in ``optional`` may be left out. If ``output`` has several names, the first that is given is the main
    output, and the others may be left out. Underscores of names are hyphens on the command line.

    As a context manager, it holds the journal of the job, so that no other process writes the main output. A
    ``UserError`` ends the script with its message and status 1, a ``StoppedError`` with status 75 (``EX_TEMPFAIL``),
    both without a traceback. A full disk and a file that the user may not use end it as a ``UserError`` does.
    """

    def __init__(
        self,
        doc: str | None,
        job: type[Job],
        *names: str,
        output: str | tuple[str, ...],
        optional: tuple[str, ...] = (),
        arguments: Sequence[str] | None = None,
    ) -> None:
        parser = argparse.ArgumentParser(description=doc)
        parser.add_argument("job", help=f"JSON of a {job.__name__} (defined in {job.__module__})")
        outputs = (output,) if isinstance(output, str) else output
        needed = (*names, *outputs) if len(outputs) == 1 else names
        for name in needed:
            parser.add_argument(f"--{_option(name)}", nargs="+", type=Path, required=True, metavar="PATH")
        for name in (*optional, *(name for name in outputs if name not in needed)):
            parser.add_argument(f"--{_option(name)}", nargs="*", type=Path, default=[], metavar="PATH")
        parser.add_argument("--code", default="", help="digest of the code: state saved under another one is ignored")
        given = vars(parser.parse_args(arguments))
        self.code: str = given.pop("code")
        self.job = job.model_validate_json(given.pop("job"))
        self._paths: dict[str, list[Path]] = given
        given_outputs = [path for name in outputs for path in self.paths(name)]
        if not given_outputs:
            parser.error(f"one of these outputs is needed: {', '.join(outputs)}")
        self.journal = Journal(given_outputs[0])

    def path(self, name: str) -> Path:
        """Return the single path with this name."""
        (path,) = self.paths(name)
        return path

    def paths(self, name: str) -> list[Path]:
        """Return all paths with this name; none if it is optional and was not given."""
        return self._paths[name.replace("-", "_")]

    def __enter__(self) -> Self:
        with errors_for_people():
            try:
                self.journal.open()
            except OSError as error:
                if words := self._explained(error):
                    raise UserError(words) from None
                raise
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserError) and (words := self._explained(error)):
            error = UserError(words)
        if error is None:
            self.journal.remove()
            _end(os.EX_OK)
        elif isinstance(error, StoppedError):
            self.journal.close("stopped", str(error))
            print(f"stopped: {error}", file=sys.stderr)
            _end(os.EX_TEMPFAIL)
        elif isinstance(error, UserError):
            self.journal.close("failed", str(error))
            print(f"error: {error}", file=sys.stderr)
            _end(1)
        elif isinstance(error, KeyboardInterrupt):
            self.journal.close("stopped", "stopped by Ctrl-C")
        elif isinstance(error, Exception):  # SystemExit leaves the journal of an interrupted job
            self.journal.close("failed", f"{type(error).__name__}: {error}")

    def _explained(self, error: BaseException) -> str | None:
        """Say what a full disk or a forbidden file means for this job; None for any other error."""
        return disks.reason(error, writable_places(self.journal.output.parent))


def _option(name: str) -> str:
    return name.replace("_", "-")


def _end(status: int) -> None:
    """End the script with this status.

    One of several processes ends without Python's clean-up, because a thread of gloo that frees a tensor while the
    interpreter shuts down sometimes aborts the process, so that a finished job would count as failed.
    """
    if "RANK" in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    if status != os.EX_OK:
        sys.exit(status)
