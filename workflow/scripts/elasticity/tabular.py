"""Rows of data files: JSON lines, JSON arrays, CSV and parquet, compressed or not."""

import csv
import io
import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from elasticity.errors import UserError

KINDS = (".jsonl", ".json", ".csv", ".parquet")
COMPRESSIONS = (".zst", ".gz", ".xz")
LARGEST_FIELD = 2**31 - 1

BROKEN = (json.JSONDecodeError, csv.Error, pa.ArrowException, lzma.LZMAError, EOFError, OSError)
"""What the readers raise for a file that is not what its name says."""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, whose format and compression are those of its name.

    Raises ``UserError`` if the file cannot be read, with the place of bytes that are not UTF-8.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compressed = bool(suffixes) and suffixes[-1] in COMPRESSIONS
    kind = next(reversed(suffixes[:-1] if compressed else suffixes), "")
    if kind not in KINDS:
        raise UserError(f"data file {path}: only {', '.join(KINDS)} are read (also as {', '.join(COMPRESSIONS)})")
    readers = {".jsonl": _json_lines, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    number = 0
    try:
        with _unpacked(path) as stream:
            for number, row in enumerate(readers[kind](stream), start=1):
                if not isinstance(row, dict):
                    raise UserError(f"{path}, row {number}: is a {type(row).__name__}, not an object with fields")
                yield row
    except UnicodeDecodeError as error:
        raise UserError(
            f"data file {path}, row {number + 1}: is not valid UTF-8 ({error.reason}, byte "
            f"0x{error.object[error.start]:02x}): save the file as UTF-8, or leave the row out"
        ) from None
    except BROKEN as error:
        raise UserError(f"data file {path} cannot be read after row {number}: {error}") from None


def _unpacked(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".xz":
        return lzma.open(path)
    return io.BufferedReader(pa.input_stream(str(path), compression="detect"))


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Decoded one by one, so that an error is in the line that is wrong. A byte order mark is left out."""
    for number, line in enumerate(stream):
        yield line.decode("utf-8" if number else "utf-8-sig")


def _json_lines(stream: IO[bytes]) -> Iterator[Any]:
    return (json.loads(line) for line in _lines(stream) if not line.isspace())


def _json(stream: IO[bytes]) -> Iterator[Any]:
    """One array, or lines after all."""
    content = stream.read()
    if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return iter(cast("list[Any]", json.loads(content.decode("utf-8-sig"))))
    return _json_lines(io.BytesIO(content))


def _csv(stream: IO[bytes]) -> Iterator[Any]:
    """Rows of as many fields as the header: a text whose comma is not quoted would move the others by one."""
    csv.field_size_limit(LARGEST_FIELD)
    for row in csv.DictReader(_lines(stream), strict=True):
        if None in row or None in row.values():
            raise csv.Error("the next row has more or fewer fields than the header: put texts with commas in quotes")
        yield row


def _parquet(stream: IO[bytes]) -> Iterator[Any]:
    """Value by value, because text is decoded only then."""
    for batch in pq.ParquetFile(pa.py_buffer(stream.read())).iter_batches():
        for values in zip(*batch.columns, strict=True):
            yield {name: value.as_py() for name, value in zip(batch.schema.names, values, strict=True)}
