"""Checks of measurements: what has to hold before a claim about a measure is tested at all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elasticity.core.registry import Registry

if TYPE_CHECKING:
    from elasticity.analysis.checks.inputs import Checked, CheckInputs

Compute = Callable[["CheckInputs"], "Checked | None"]


@dataclass(frozen=True)
class Check:
    """A check of the experiments that a measure is computed from.

    ``title`` says what ``compute`` returns the number of, ``needed`` which numbers are good, and ``failed`` what it
    means if the number is not. ``compute`` returns None where a study does not measure what the check needs.
    """

    name: str
    title: str
    needed: str
    failed: str
    compute: Compute


CHECKS: Registry[Check] = Registry("check", "elasticity.analysis.checks")
"""All checks, by the names that measures list in ``needs``."""


def check(name: str, *, title: str, needed: str, failed: str) -> Callable[[Compute], Compute]:
    """Decorator that registers a check under ``name``; the other arguments are those of ``Check``."""

    def add(compute: Compute) -> Compute:
        CHECKS.register(name, compute.__module__)(Check(name, title, needed, failed, compute))
        return compute

    return add


def check_modules() -> tuple[str, ...]:
    """The modules that define checks: part of the code digest of the jobs that look checks up."""
    return tuple(sorted({CHECKS.module(name) for name in CHECKS.names()}))
