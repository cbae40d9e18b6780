"""Files in archives at an address: downloaded and unpacked once, then kept in a cache."""

import errno
import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.error import HTTPError, URLError

from huggingface_hub import constants
from tqdm import tqdm

from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.runtime.environment import cache_home

PATIENCE_S = 60
"""Seconds without data after which a download fails."""


PIECE = 1 << 20
"""Bytes that are read and written at once."""


LISTED = 10
"""Names that an error message lists."""


BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError)
"""Errors that the readers raise for an archive that is damaged, or compressed in a way that they do not know."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers that mean that the cache has no room for a file."""


def archived(url: str, sha256: str, path: str) -> tuple[Path, str]:
    """The unpacked file ``path`` of the archive at an address, and the file's SHA-256.

    The archive must have the checksum ``sha256``. It is downloaded unless the cache already holds the unpacked file. A
    nested archive is like a folder in ``path``: ``data.zip/texts.txt``.

    Raises ``UserError`` if the archive cannot be downloaded, has another checksum, or has no such file, or if the cache
    cannot be read and written.
    """
    place = cache() / f"{sha256}-{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    file = place / PurePosixPath(path).name
    noted = place / f"{file.name}.sha256"
    try:
        if not (file.is_file() and noted.is_file() and noted.read_text() == file_digest(file)):
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place) as name:
                folder = Path(name)
                _download(url, sha256, folder / "archive")
                _unpack(folder / "archive", url, path, folder / file.name)
                (folder / noted.name).write_text(file_digest(folder / file.name))
                for made in (file, noted):  # replaced one by one: another job may have made the same file, and read it
                    (folder / made.name).replace(made)
        return file, noted.read_text()
    except OSError as error:  # of the cache: errors of the download and of the archive are UserErrors by now
        raise UserError(
            f"the cache folder {cache()} cannot be read and written ({error.strerror or error}): set the environment "
            "variable ELASTICITY_CACHE to a writable folder with enough space for the archive and the file"
        ) from None


def cache() -> Path:
    """The folder of unpacked files: ``ELASTICITY_CACHE``, or ``elasticity`` in the user's cache folder."""
    if chosen := os.environ.get("ELASTICITY_CACHE"):
        return Path(chosen).expanduser()
    return cache_home() / "elasticity"


def _download(url: str, sha256: str, file: Path) -> None:
    """Download an archive into a file and check its SHA-256."""
    if constants.HF_HUB_OFFLINE and not url.startswith("file:"):
        raise UserError(
            f"{url} is not in the cache {cache()}, and HF_HUB_OFFLINE is set. Unset it and run the same command where "
            "there is a network, or copy a cache from another machine and set ELASTICITY_CACHE to it"
        )
    try:
        found = _stream(url, file)
    except (OSError, HTTPException) as error:
        if _is_full(error):
            raise
        raise UserError(f"{url} cannot be downloaded: {_reason(error)}") from None
    if found != sha256:
        raise UserError(
            f"{url} has another checksum.\n  found:    {found}\n  expected: {sha256}\nCorrect sha256 in the study, or "
            "run the same command again if the download may have been interrupted"
        )


def _stream(url: str, file: Path) -> str:
    """Copy the content of an address into a file; returns its SHA-256."""
    found = hashlib.sha256()
    request = urllib.request.Request(url, headers={"User-Agent": "elasticity"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response, file.open("wb") as out:
        size = int(response.headers.get("Content-Length") or 0) or None
        with tqdm(desc=PurePosixPath(url).name, total=size, unit="B", unit_scale=True, disable=None) as bar:
            while piece := response.read(PIECE):
                found.update(piece)
                out.write(piece)
                bar.update(len(piece))
    return found.hexdigest()


def _is_full(error: Exception) -> bool:
    """Whether an error means that the cache has no room."""
    return isinstance(error, OSError) and error.errno in FULL


def _reason(error: Exception) -> str:
    """Why a download failed, and what to do."""
    if isinstance(error, HTTPError):
        return f"the server answered {error.code} {error.reason}. Correct the address, or run the same command later"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, FileNotFoundError):
        return "there is no such file"
    return (
        f"{cause}. Run the same command again; where there is no network, copy a cache from another machine and set "
        "ELASTICITY_CACHE to it"
    )


def _unpack(archive: Path, url: str, path: str, file: Path) -> None:
    """Write one file of an archive, or of a nested archive, to ``file``.

    Names in the archive are only compared with ``path``, never used as paths.
    """
    try:
        with _opened(archive, url, path) as (packed, inner), file.open("wb") as out:
            shutil.copyfileobj(packed, out, PIECE)
    except BROKEN as error:
        if _is_full(error):
            raise
        reason = str(error).partition(":\n")[0]  # without the line for each compression that tarfile tried
        raise UserError(f"{path} in {url} cannot be unpacked: {reason}. Only tar and zip archives are read") from None
    if inner:
        _unpack(file.replace(archive), f"{url}/{path.removesuffix(f'/{inner}')}", inner, file)


@contextmanager
def _opened(archive: Path, url: str, path: str) -> Iterator[tuple[IO[bytes], str]]:
    """Open the file at a path, or the nested archive that must hold it; the rest of the path is that in the archive."""
    if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):  # a zip at the end of a tar
        with zipfile.ZipFile(archive) as whole:
            member, inner = _member(url, path, [entry.filename for entry in whole.infolist() if not entry.is_dir()])
            with whole.open(member) as packed:
                yield packed, inner
    else:
        with tarfile.open(archive) as whole:
            files = {entry.name: entry for entry in whole if entry.isreg()}
            member, inner = _member(url, path, list(files))
            yield cast("IO[bytes]", whole.extractfile(files[member])), inner


def _member(url: str, path: str, names: list[str]) -> tuple[str, str]:
    """The name in an archive that a path begins with, and the rest of the path.

    Raises ``UserError`` if there is none.
    """
    for name in names:
        if path == name or path.startswith(f"{name}/"):
            return name, path[len(name) + 1 :]
    more = ", …" if len(names) > LISTED else ""
    raise UserError(f"{url} holds no file {path}; it holds: {', '.join(names[:LISTED])}{more}")
