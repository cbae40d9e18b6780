"""Files of the Hugging Face hub at a pinned revision, stored in the cache of ``huggingface_hub``."""

import errno
import importlib.util
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from huggingface_hub import (
    HfApi,
    constants,
    get_cached_repo_tree,
    hf_hub_download,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name

from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError

Kind = Literal["model", "dataset"]
"""The kinds of repositories."""


UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENOSPC, errno.EDQUOT)
"""Codes of the errors that writing a file into the cache can raise."""


def snapshot(repo: str, revision: str, patterns: Sequence[str], kind: Kind) -> Path:
    """Return the folder with the files of a repository that match ``patterns``, downloading those not in the cache.

    Gated repositories need the environment variable ``HF_TOKEN``; a token stored elsewhere is not sent. The folder
    belongs to the cache and may hold other files, too: do not write into it, and use only what ``matching`` returns.

    Raises ``UserError`` if the hub cannot be reached or refuses, if there is no such repository, revision or file, or
    if the cache is not writable.
    """
    with _named_downloads(repo, revision, kind) as what:
        folder = Path(
            snapshot_download(repo, repo_type=kind, revision=revision, allow_patterns=list(patterns), token=_token())
        )
    if not matching(folder, patterns):
        raise UserError(
            f"{what} has no file that matches {', '.join(patterns)}: name files that are listed at {_page(kind, repo)}"
        )
    return folder


def hub_file(repo: str, revision: str, name: str, kind: Kind) -> Path:
    """Return a file of a repository in the cache, where it is downloaded to if it is not there.

    Raises ``UserError`` as ``snapshot`` does.
    """
    found = try_to_load_from_cache(repo, name, revision=revision, repo_type=kind)
    if isinstance(found, str):
        return Path(found)
    with _named_downloads(repo, revision, kind, name):
        return Path(hf_hub_download(repo, name, repo_type=kind, revision=revision, token=_token()))


def commit_of(repo: str, revision: str, kind: Kind) -> str:
    """Return the commit (40 hexadecimal digits) that a branch or tag stands for, at the hub or else in the cache.

    Raises ``UserError`` as ``snapshot`` does.
    """
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=kind)
    ref = folder / "refs" / revision
    if (folder / "snapshots" / revision).is_dir():
        return revision
    try:
        with _named_downloads(repo, revision, kind):
            return str(HfApi().repo_info(repo, revision=revision, repo_type=kind, token=_token()).sha)
    except UserError:
        if ref.is_file():
            return ref.read_text().strip()
        raise


def outline(repo: str, revision: str, folder: Path) -> None:
    """Write README.md of a data set into a folder, and empty files in place of all others; from the cache if it can.

    Raises ``UserError`` as ``snapshot`` does.
    """
    root = snapshot(repo, revision, ("README.md", ".gitattributes"), "dataset")
    try:
        names = [file.path for file in get_cached_repo_tree(repo, repo_type="dataset", revision=revision)]
    except CachedRepoTreeNotFoundError:  # a cache that another version of the client wrote
        names = [path.relative_to(root).as_posix() for path in matching(root, ("*",))]
    for name in names:
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"the dataset {repo} at revision {revision} has a file outside of its folder: {name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    if (root / "README.md").is_file():
        shutil.copyfile(root / "README.md", folder / "README.md")


def matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files of a snapshot that match any of the patterns, sorted by name."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [folder / name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def put(files: Sequence[Path], folder: Path) -> None:
    """Hard-link files of a snapshot into a folder, or copy them if it is on another file system."""
    for file in files:
        try:
            os.link(file.resolve(), folder / file.name)
        except OSError:
            shutil.copyfile(file.resolve(), folder / file.name)


@contextmanager
def _named_downloads(repo: str, revision: str, kind: Kind, file: str = "") -> Iterator[str]:
    """Turn whatever a download raises into a ``UserError``; gives the name of the repository in messages.

    ``file`` is the file that is downloaded, if it is one.
    """
    what = f"the {kind} {repo} at revision {revision}"
    if constants.HF_HUB_CACHE.startswith("~"):  # the user has no home folder
        raise UserError(f"{what} cannot be downloaded: this user has no home folder. Set HF_HOME to a writable folder")
    try:
        yield what
    except RemoteEntryNotFoundError:
        raise UserError(f"{what} has no {file}: its files are listed at {_page(kind, repo)}/tree/{revision}") from None
    except Exception as error:  # of many types, from several libraries
        raise UserError(f"{what} cannot be downloaded: {_reason(error, kind, repo)}") from None


def _token() -> str | Literal[False]:
    """The token of the environment; a token stored elsewhere is not sent."""
    return os.environ.get("HF_TOKEN") or False


def _reason(error: Exception, kind: str, repo: str) -> str:
    """Explain why a download failed and what to do.

    Only the type and HTTP status of the error are quoted, because its text may contain a token.
    """
    causes = list(_chain(error))
    status = next((cause.response.status_code for cause in causes if isinstance(cause, HfHubHTTPError)), None)
    page = _page(kind, repo)
    if any(isinstance(cause, RevisionNotFoundError) for cause in causes):
        return f"the repository has no such revision. Name a commit, branch or tag of {page}"
    if status in (401, 403):
        sent = "your HF_TOKEN was refused" if os.environ.get("HF_TOKEN") else "no HF_TOKEN is set"
        return (
            f"the hub returned {status}, and {sent}. The repository does not exist or is gated: accept its terms at "
            f"{page}, set HF_TOKEN to a token of that account, and run the same command again"
        )
    if status == 404:
        return f"the hub returned 404, so there is no such repository: check the name at {page}"
    if status is not None:
        return f"the hub returned {status}. Run the same command again later"
    if isinstance(error, OSError) and error.filename and error.errno in UNWRITABLE:
        return f"the cache {constants.HF_HUB_CACHE} is not writable ({error.strerror}). Set HF_HOME to another folder"
    if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
        return (
            "it is not (or not completely) in the cache of the hub, and the hub cannot be reached, or HF_HUB_OFFLINE "
            "is set. Run the same command on a machine with network access, or copy a cache here and set HF_HOME to it"
        )
    return f"{type(error).__name__}. If the network or the disk failed temporarily, run the same command again"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _page(kind: str, repo: str) -> str:
    """Return the address of a repository's page."""
    return f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repo}"


def fetch(repo: str, revision: str, patterns: Sequence[str], listing: Path) -> None:
    """Put the files of a model that match the patterns into the folder of ``listing``, and their SHA-256 into it.

    ``listing`` is a JSON file with the keys ``repo``, ``revision`` and ``sha256``. Other visible files in its folder
    are removed. Raises ``UserError`` as ``snapshot`` does.
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
    """Return the path of a file in an installed Python package.

    Raises ``UserError`` if the package is not installed or has no such file.
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ModuleNotFoundError, ValueError):  # the parent of a dotted name is not installed
        spec = None
    if spec is None or spec.origin is None:
        raise UserError(f"the Python package {package} is not installed: install it with pip where Snakemake runs")
    file = Path(spec.origin).parent / path
    if not file.is_file():
        raise UserError(f"the Python package {package} has no file {path}: {file} does not exist")
    return file
