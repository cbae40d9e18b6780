"""Files in archives at an address: downloaded and unpacked once, then found in a cache."""

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

PATIENCE_S = 60
"""Seconds without a byte after which a download is given up."""


PIECE = 1 << 20
"""Bytes that are moved at once."""


LISTED = 10
"""Names that a message quotes."""


BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError)
"""What the readers raise for an archive that is damaged, or packed in a way that they do not know."""


def archived(url: str, sha256: str, path: str) -> tuple[Path, str]:
    """The unpacked file ``path`` of the archive at an address, and the file's SHA-256.

    The archive must have the checksum ``sha256``. It is downloaded unless the cache holds the file as it was unpacked.
    An archive in it is a folder of ``path``: ``data.zip/texts.txt``.

    Raises ``UserError`` if the archive cannot be downloaded, is another one, or has no such file.
    """
    place = cache() / f"{sha256}-{hashlib.sha256(path.encode()).hexdigest()[:16]}"
    file = place / PurePosixPath(path).name
    noted = place / f"{file.name}.sha256"
    if not (file.is_file() and noted.is_file() and noted.read_text() == file_digest(file)):
        with _folder_beside(place) as folder:
            _download(url, sha256, folder / "archive")
            _unpack(folder / "archive", url, path, folder / file.name)
            (folder / noted.name).write_text(file_digest(folder / file.name))
            for made in (file, noted):  # one by one: another job may have put the same there, and read it
                (folder / made.name).replace(made)
    return file, noted.read_text()


def cache() -> Path:
    """The folder of unpacked files: ``ELASTICITY_CACHE``, or ``elasticity`` in the user's folder of caches."""
    if chosen := os.environ.get("ELASTICITY_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elasticity"


@contextmanager
def _folder_beside(place: Path) -> Iterator[Path]:
    """A folder for a time, in the file system of ``place``, which is made, too."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=place)
    except OSError as error:
        raise UserError(
            f"the cache {cache()} cannot be written ({error.strerror}): set ELASTICITY_CACHE to a folder that can"
        ) from None
    with folder as name:
        yield Path(name)


def _download(url: str, sha256: str, file: Path) -> None:
    if constants.HF_HUB_OFFLINE and not url.startswith("file:"):
        raise UserError(
            f"{url} is not in the cache {cache()}, and HF_HUB_OFFLINE is set. Run the same command without it where "
            "there is a network, or bring a cache from elsewhere and set ELASTICITY_CACHE"
        )
    try:
        found = _stream(url, file)
    except (OSError, HTTPException) as error:
        raise UserError(f"{url} cannot be downloaded: {_reason(error)}") from None
    if found != sha256:
        raise UserError(
            f"{url} has another checksum.\n  found:    {found}\n  expected: {sha256}\nCorrect sha256, or run the same "
            "command again if the download may have been cut short"
        )


def _stream(url: str, file: Path) -> str:
    """Into a file; returns the SHA-256."""
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


def _reason(error: Exception) -> str:
    """Why an address gave nothing, and what to do."""
    if isinstance(error, HTTPError):
        return (
            f"the server has_responses {error.code} {error.reason}. Correct the address, or run the same command later"
        )
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, FileNotFoundError):
        return "there is no such file"
    return (
        f"{cause}. Run the same command again; where there is no network, bring a cache from elsewhere and set "
        "ELASTICITY_CACHE"
    )


def _unpack(archive: Path, url: str, path: str, file: Path) -> None:
    """One file of the archive, or of an archive in it, to where we choose: names in it decide nothing."""
    try:
        with _opened(archive, url, path) as (packed, inner), file.open("wb") as out:
            shutil.copyfileobj(packed, out, PIECE)
    except BROKEN as error:
        reason = str(error).partition(":\n")[0]  # without a line for each compression that tar tried
        raise UserError(f"{path} in {url} cannot be unpacked: {reason}. Only tar and zip archives are read") from None
    if inner:
        _unpack(file.replace(archive), f"{url}/{path.removesuffix(f'/{inner}')}", inner, file)


@contextmanager
def _opened(archive: Path, url: str, path: str) -> Iterator[tuple[IO[bytes], str]]:
    """The file, or the archive that has to hold it, and the path in that."""
    if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):  # a tar may hold a zip at its end
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
    """The file of these that a path names or leads through, and the rest of the path."""
    for name in names:
        if path == name or path.startswith(f"{name}/"):
            return name, path[len(name) + 1 :]
    more = ", …" if len(names) > LISTED else ""
    raise UserError(f"{url} holds no file {path}; it holds: {', '.join(names[:LISTED])}{more}")
