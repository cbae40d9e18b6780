"""A progress bar on a terminal; silence in a log."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, unit: str) -> Iterable[Item]:
    """Pass items through, showing rate and time left if standard error is a terminal."""
    return tqdm(items, desc=what, unit=f" {unit}", disable=None)
