"""Lists of paths written as few brace patterns, as in a shell: ``a/{b,c}/d`` stands for ``a/b/d`` and ``a/c/d``.

Linux limits one argument of a command to 131,072 bytes, too few for the paths of thousands of files. The files of a
study form grids, so their patterns are short. Names in the paths must not contain braces or commas.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path


def fold(paths: Iterable[str]) -> list[str]:
    """Return patterns that stand for exactly these file paths."""
    return _fold({tuple(path.split("/")) for path in paths})


def _fold(paths: Iterable[tuple[str, ...]]) -> list[str]:
    """Group the folders that have the same files below them into one pattern, recursively."""
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
    """Return the paths that the patterns stand for, sorted."""
    found = []
    for pattern in patterns:
        choices = [part.strip("{}").split(",") if part.startswith("{") else [part] for part in str(pattern).split("/")]
        found += ["/".join(parts) for parts in itertools.product(*choices)]
    return [Path(path) for path in sorted(found)]
