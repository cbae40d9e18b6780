"""Files of the Hugging Face hub at a pinned revision, through its own cache."""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RevisionNotFoundError

from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError


def snapshot(repo: str, revision: str, patterns: Sequence[str], kind: Literal["model", "dataset"]) -> Path:
    """The folder with the files of a repository that match ``patterns``, downloaded unless the hub's cache has them.

    Gated repositories need the variable ``HF_TOKEN``; a token that is stored elsewhere is not sent. The folder belongs
    to the cache: do not write into it, and take no more from it than ``matching`` finds, for it may hold other files.

    Raises ``UserError`` if the hub is out of reach, refuses, or has no such repository, revision or file.
    """
    what = f"the {kind} {repo} at revision {revision}"
    try:
        folder = Path(
            snapshot_download(
                repo,
                repo_type=kind,
                revision=revision,
                allow_patterns=list(patterns),
                token=os.environ.get("HF_TOKEN") or False,
            )
        )
    except Exception as error:  # there are many of them, of several libraries; none is a mistake of ours
        raise UserError(f"{what} cannot be had: {_reason(error, kind, repo)}") from None
    if not matching(folder, patterns):
        raise UserError(
            f"{what} has no file that matches {', '.join(patterns)}: name files that are listed at {_page(kind, repo)}"
        )
    return folder


def matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of a snapshot that match one of the patterns, in order of their names."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [folder / name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def put(files: Sequence[Path], folder: Path) -> None:
    """Put files of a snapshot into a folder: links to the hub's cache, or copies on another file system."""
    for file in files:
        try:
            os.link(file.resolve(), folder / file.name)
        except OSError:
            shutil.copyfile(file.resolve(), folder / file.name)


def _reason(error: Exception, kind: str, repo: str) -> str:
    """Why the hub gave nothing, and what to do. Quotes no more of an error than its kind and status."""
    causes = list(_chain(error))
    status = next((cause.response.status_code for cause in causes if isinstance(cause, HfHubHTTPError)), None)
    page = _page(kind, repo)
    if any(isinstance(cause, RevisionNotFoundError) for cause in causes):
        return f"it has no such revision. Name a commit, branch or tag of {page}"
    if status in (401, 403):
        sent = "your HF_TOKEN was refused" if os.environ.get("HF_TOKEN") else "no HF_TOKEN is set"
        return (
            f"the hub answered {status}, and {sent}. There may be no such repository, or it is gated: accept its terms "
            f"at {page}, set HF_TOKEN to a token of that account, and run the same command again"
        )
    if status == 404:
        return f"the hub answered 404, so there is no such repository: see {page}"
    if status is not None:
        return f"the hub answered {status}. Run the same command again later"
    if isinstance(error, LocalEntryNotFoundError):
        return (
            "it is not (or not whole) in the hub's cache, and the hub cannot be reached from here, or HF_HUB_OFFLINE "
            "is set. Run the same command where there is a network, or bring a cache from elsewhere and set HF_HOME"
        )
    return f"{type(error).__name__}. If that is a passing trouble of network or disk, run the same command again"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _page(kind: str, repo: str) -> str:
    return f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repo}"


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


def package_file(package: str, path: str) -> Path:
    """Where a file of a package lies. Raises ``UserError`` if the package is not installed, or has no such file."""
    try:
        spec = importlib.util.find_spec(package)
    except (ModuleNotFoundError, ValueError):  # of the package that it would be a part of
        spec = None
    if spec is None or spec.origin is None:
        raise UserError(f"the Python package {package} is not installed: install it with pip where Snakemake runs")
    file = Path(spec.origin).parent / path
    if not file.is_file():
        raise UserError(f"the Python package {package} has no file {path}: it lies in {file.parent}")
    return file
