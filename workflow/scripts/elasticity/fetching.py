"""From the hub into a folder of the results."""

import json
from collections.abc import Sequence
from pathlib import Path

from elasticity.digests import file_digest
from elasticity.hub import matching, put, snapshot


def fetch(repo: str, revision: str, patterns: Sequence[str], listing: Path) -> None:
    """Put the files of a model that match the patterns beside ``listing``, and into it their names and digests.

    They are links to the hub's cache, or copies on another file system. Raises ``UserError`` as ``snapshot`` does.
    """
    root = snapshot(repo, revision, patterns, "model")
    files = [file for file in matching(root, patterns) if file.parent == root]
    listing.parent.mkdir(parents=True, exist_ok=True)
    for old in listing.parent.iterdir():
        if not old.name.startswith("."):  # the journal of this job
            old.unlink()
    put(files, listing.parent)
    digests = {file.name: file_digest(file) for file in files}
    listing.write_text(json.dumps({"repo": repo, "revision": revision, "sha256": digests}, indent=2) + "\n")
