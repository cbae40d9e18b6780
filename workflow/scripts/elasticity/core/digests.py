"""SHA-256 digests of values, files and folders, and the folder of the scripts."""

import hashlib
import json
from pathlib import Path

SCRIPTS = Path(__file__).parents[2]
"""The folder that contains the scripts and the ``elasticity`` package."""


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
    """Return the SHA-256 (hex) of the names and contents of all files below a folder whose names start with no dot."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return digest([[p.relative_to(folder).as_posix(), file_digest(p)] for p in files])
