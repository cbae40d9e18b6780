"""What the library ``datasets`` reads: parquet and arrow, folders that it saved, and which files make up a split.

It takes two seconds to import, so only a job that needs it pays for it. It reads local files only: the hub's are in the
cache by then. What it writes goes to a folder that is deleted.
"""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from elasticity.core.errors import UserError
from elasticity.data.labels import ClassLabel

TABLES = (".parquet", ".arrow")
"""Suffixes of the tables that the library reads."""


SAVED = "state.json"
"""The file by which a folder that the library saved is known."""


SEVERAL_SAVED = "dataset_dict.json"
"""The file by which a folder with several such folders is known."""


BATCH = 1000
"""Rows that are read at once."""


QUOTED = 300
"""Characters of an error of the library that a message quotes."""


def table_rows(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The rows of a parquet or arrow file (``kind``: its suffix), a few at a time. Class labels carry their names."""
    if kind == ".parquet":
        unique(pq.read_schema(path).names, "column")
    with _library() as (datasets, cache):
        reading = datasets.load_dataset(
            kind.removeprefix("."), data_files=str(path), split="train", streaming=True, cache_dir=cache
        )
        yield from _rows(reading, reading.features)


def saved_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of a folder that ``save_to_disk`` of the library wrote, memory-mapped."""
    with _library() as (datasets, _):
        saved = datasets.load_from_disk(str(folder))
        yield from _rows(saved, saved.features)


def files_of_split(folder: Path, subset: str | None, split: str | None, what: str) -> list[Path]:
    """The files of a split of a data set in a folder; the only split if none is named. See ``files_of_splits``.

    Raises ``UserError`` with the subsets or splits that there are.
    """
    found = files_of_splits(folder, subset, what)
    chosen = next(iter(found)) if split is None and len(found) == 1 else split
    if chosen not in found:
        raise UserError(f"{what} has the splits {', '.join(found)}: name one of them in the study (source.split)")
    return found[chosen]


def files_of_splits(folder: Path, subset: str | None, what: str) -> dict[str, list[Path]]:
    """The files of each split of a data set in a folder, of which only README.md is opened; ``what`` is its name.

    The library decides as it does when it loads a data set: by the head of README.md, or by the names of the files.

    Raises ``UserError`` with the subsets that there are.
    """
    with _library() as (datasets, cache):
        try:
            files = datasets.load_dataset_builder(str(folder), subset, cache_dir=cache).config.data_files
        except (ValueError, OSError) as error:  # an unknown subset, or README.md names files that are not there
            raise UserError(
                f"{what} cannot be read by subset and split: {_short(error, folder)} (a subset is named in the study, "
                "source.subset, and to the command `new` as DATA:SUBSET)"
            ) from None
        return {str(name): [Path(file) for file in several] for name, several in files.items()}


def _short(error: Exception, folder: Path) -> str:
    """The first words of an error of the library."""
    said, *_ = str(error).partition("\nExample of usage")  # of a function that is not called here
    text = " ".join(said.replace(f"{folder}/", "").split())
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def unique(names: Sequence[str], what: str) -> None:
    """Raise ``UserError`` if a name is given twice: only one of the two would be read."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"{what} {twice[0]!r} is there twice: give one of them another name, or leave it out")


@contextmanager
def _library() -> Iterator[tuple[ModuleType, str]]:
    """The library, and a folder for its files. Its own errors become ``UserError``."""
    import datasets  # takes seconds

    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    logging.getLogger("datasets").setLevel(logging.CRITICAL)  # what it logs, it raises, too
    with tempfile.TemporaryDirectory() as cache:
        try:
            yield datasets, cache
        except (UserError, UnicodeDecodeError, pa.ArrowException, OSError):
            raise
        except Exception as error:  # of many types, from several libraries
            raise UserError(f"the library datasets cannot read it: {error}") from None


def _rows(reading: Any, features: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Rows of a data set of the library, value by value, so that an error in a text's encoding names its row."""
    named = [name for name, feature in (features or {}).items() if type(feature).__name__ == "ClassLabel"]
    names = {name: features[name].names for name in named} if features else {}
    for table in reading.with_format("arrow").iter(batch_size=BATCH):
        for values in zip(*table.columns, strict=True):
            row = {name: value.as_py() for name, value in zip(table.column_names, values, strict=True)}
            for name, known in names.items():
                if row[name] is not None and 0 <= row[name] < len(known):
                    row[name] = ClassLabel(row[name], known[row[name]])
            yield row
