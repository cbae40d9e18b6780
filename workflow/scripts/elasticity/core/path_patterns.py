"""Many paths as few patterns, in the manner of a shell: ``a/{b,c}/d`` is ``a/b/d`` and ``a/c/d``.

A job that reads thousands of files cannot be told their paths one by one: Linux lets one argument of a command have
131,072 bytes. The files of a study form grids, so patterns stay short. Names in the paths hold no braces or commas.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path


def fold(paths: Iterable[str]) -> list[str]:
    """Patterns that stand for these paths of files, and no others."""
    return _fold({tuple(path.split("/")) for path in paths})


def _fold(paths: Iterable[tuple[str, ...]]) -> list[str]:
    """Folders with the same files below them are put together."""
    below: dict[str, set[tuple[str, ...]]] = {}
    for name, *rest in sorted(paths):
        below.setdefault(name, set()).add(tuple(rest))
    alike: dict[frozenset[tuple[str, ...]], list[str]] = {}
    for name, rests in below.items():
        alike.setdefault(frozenset(rests), []).append(name)
    patterns = []
    for same, names in alike.items():
        head = names[0] if len(names) == 1 else f"{{{','.join(names)}}}"
        patterns += [head] if same == {()} else [f"{head}/{tail}" for tail in _fold(same)]
    return patterns


def unfold(patterns: Iterable[str | Path]) -> list[Path]:
    """The paths that the patterns stand for, in order."""
    found = []
    for pattern in patterns:
        choices = [part.strip("{}").split(",") if part.startswith("{") else [part] for part in str(pattern).split("/")]
        found += ["/".join(parts) for parts in itertools.product(*choices)]
    return [Path(path) for path in sorted(found)]
