"""Errors for people: what failed, the offending value, what is allowed, what to run next."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something that the user can put right; its text is the whole message, so no traceback is shown."""


class StoppedError(Exception):
    """Stopped by a signal after saving its state; run the same command again to go on."""


@contextmanager
def errors_for_people() -> Iterator[None]:
    """End a script with the message of a ``UserError`` and exit status 1, without a traceback."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
