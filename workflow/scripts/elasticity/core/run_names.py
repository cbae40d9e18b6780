"""Names of the folders of runs: the sizes of a run, or a digest of them where they would make a long name."""

import json
import os
import re
from pathlib import Path

from elasticity.core.digests import digest

LONGEST = 48
"""Longest name made of sizes, in characters. File systems allow 255 for a whole name."""

PATTERN = "[0-9]+(?:-[0-9]+)*|[0-9]+-to-[0-9]+-[0-9a-f]{8}"
"""A regular expression for names of runs."""

FILE = "sizes.json"
"""Lists the sizes of a run in its folder, if its name does not."""

_known: dict[str, tuple[int, ...]] = {}


def run_name(sizes: tuple[int, ...]) -> str:
    """Return the folder name of a run over these sizes, such as ``25-100-400`` or ``0-to-9000-1f3a2b4c``."""
    name = "-".join(map(str, sizes))
    if len(name) > LONGEST:
        name = f"{sizes[0]}-to-{sizes[-1]}-{digest(list(sizes))[:8]}"
        _known[name] = sizes
    return name


def sizes_in(name: str) -> tuple[int, ...]:
    """Return the sizes of a run from its folder name, which must be one of this process if it does not list them."""
    return _known[name] if "to" in name else tuple(int(size) for size in name.split("-"))


def write_sizes(folder: Path, sizes: tuple[int, ...]) -> None:
    """Write the sizes of a run into its folder if its name does not list them, for ``runs_in``."""
    if "to" in run_name(sizes):
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{FILE}-{os.getpid()}"
        draft.write_text(json.dumps(sizes) + "\n")
        os.replace(draft, folder / FILE)


def runs_in(folder: Path) -> list[tuple[int, ...]]:
    """Return the sizes of the runs whose folders are in a folder; those that have not begun may be missing."""
    found = []
    for path in folder.glob("[0-9]*"):
        if re.fullmatch(PATTERN, path.name) and path.is_dir():
            if "to" not in path.name:
                found.append(sizes_in(path.name))
            elif (path / FILE).is_file():
                found.append(tuple(json.loads((path / FILE).read_text())))
    return found
