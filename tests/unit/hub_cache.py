"""A cache in the layout of the client of the Hugging Face hub."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def add_to_cache(cache: Path, kind: str, repo: str, files: Mapping[str, bytes], refs: tuple[str, ...] = ()) -> Path:
    """Add a repository at ``COMMIT``: contents in blobs, links to them in the snapshot. Returns the snapshot."""
    folder = cache / f"{kind}s--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    for name, content in files.items():
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(blob)
    for ref in refs:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / ref).write_text(COMMIT)
    return snapshot
