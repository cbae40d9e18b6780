"""Errors whose message is written for users: what failed, the offending value, what is allowed, what to do next."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake that the user can correct. Its text is the whole message; scripts print it without a traceback."""


class StoppedError(Exception):
    """A job was stopped by a signal and has saved its state. Running the same command again resumes it."""


@contextmanager
def errors_for_people() -> Iterator[None]:
    """Exit with status 1 and the message of a ``UserError`` raised in the block, without a traceback."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
