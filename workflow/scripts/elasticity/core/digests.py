"""SHA-256 digests of values, files and folders, and the folder of the scripts."""

import hashlib
import json
from pathlib import Path

from elasticity.core.errors import UserError

SCRIPTS = Path(__file__).parents[2]
"""The folder that contains the scripts and the ``elasticity`` package."""


SEAL = ".sha256"
"""Name of the hidden file in a folder with the digests of its files."""


STATE_NOTE = "run.json"
"""Name of the file in a folder of saved states that says which output they are of."""


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and without spaces, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of a value that can be written as JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of the names and contents of all files below a folder whose names start with no dot.

    Raises ``UserError`` if the folder is sealed and its files are not those that were sealed.
    """
    found = _digests(folder)
    if damaged := _damaged(folder, found):
        raise UserError(
            f"{damaged} is not as it was written: the file is damaged or was changed. Delete {folder} and run the same "
            "command again: it will be created anew."
        )
    return digest([[name, each] for name, each in found.items()])


def seal(folder: Path) -> None:
    """Record the digests of the files in a folder, in a hidden file, so that later damage is noticed."""
    (folder / SEAL).write_text(json.dumps(_digests(folder)) + "\n")


def is_whole(folder: Path) -> bool:
    """Return whether the files of a folder are those that were sealed; also if it was never sealed."""
    return _damaged(folder, _digests(folder)) is None


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {p.relative_to(folder).as_posix(): file_digest(p) for p in files}


def _damaged(folder: Path, found: dict[str, str]) -> Path | None:
    """Return the first file below a folder that is not as in the seal above it, or that is missing; None if none is."""
    for hidden in sorted(folder.rglob(SEAL)):
        inside = hidden.parent.relative_to(folder)
        sealed: dict[str, str] = json.loads(hidden.read_text())
        for name, wanted in sealed.items():
            if found.get((inside / name).as_posix()) != wanted:
                return hidden.parent / name
    return None
