"""Rows of data files: JSON lines, JSON arrays, CSV and parquet, or passages of plain text, compressed or not."""

import csv
import io
import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from elasticity.core.errors import UserError

BLOCK = 1 << 16
"""Characters that are read at once; the passages do not depend on it."""


ENDS = ("\n\n", "\n", " ")
"""Of paragraphs, lines and words: where a passage ends, best first."""


def passages(stream: IO[str], longest: int) -> Iterator[str]:
    """Passages of at most ``longest`` characters that joined are the text.

    Each ends with the last paragraph that ends in the second half of what it could hold; else with the last line, else
    with the last word, else it is as long as it may be.
    """
    text = ""
    while block := stream.read(BLOCK):
        text += block
        start = 0
        while len(text) - start > longest:
            end = _end(text, start, longest)
            yield text[start:end]
            start = end
        text = text[start:]
    if text:
        yield text


def _end(text: str, start: int, longest: int) -> int:
    for end in ENDS:
        place = text.rfind(end, start + longest // 2, start + longest)
        if place >= 0:
            return place + len(end)
    return start + longest


KINDS = (".jsonl", ".json", ".csv", ".parquet")


COMPRESSIONS = (".zst", ".gz", ".xz")


LARGEST_FIELD = 2**31 - 1


BROKEN = (json.JSONDecodeError, csv.Error, pa.ArrowException, lzma.LZMAError, EOFError, OSError)
"""What the readers raise for a file that is not what its name says."""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, whose format and compression are those of its name.

    Raises ``UserError`` if the file cannot be read, with the place of bytes that are not UTF-8.
    """
    if (kind := _kind(path)) not in KINDS:
        raise UserError(
            f"data file {path}: only {', '.join(KINDS)} are read (also as {', '.join(COMPRESSIONS)}), and plain text "
            "as passages of it (source.format: passages)"
        )
    readers = {".jsonl": _json_lines, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    for number, row in enumerate(_read(path, readers[kind], "row"), start=1):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: is a {type(row).__name__}, not an object with fields")
        yield row


def passages_of(path: Path, characters: int) -> Iterator[dict[str, Any]]:
    """The passages of a plain text of any name as rows with the field ``text``; see ``passages``.

    Raises ``UserError`` as ``rows_of`` does, and for a file of rows.
    """
    if (kind := _kind(path)) in KINDS:
        raise UserError(f"data file {path}: {kind} holds rows, not passages: choose its format, or name its fields")
    for passage in _read(path, partial(_passages, characters=characters), "passage"):
        yield {"text": passage}


def lines_of(path: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The lines of a plain text of any name as rows; tabs are between their fields, which have these names.

    Raises ``UserError`` as ``rows_of`` does.
    """
    return _read(path, partial(_csv, names=names, delimiter="\t", quoting=csv.QUOTE_NONE), "line")


def _kind(path: Path) -> str:
    """The suffix of a file, as if it were not compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compressed = bool(suffixes) and suffixes[-1] in COMPRESSIONS
    return next(reversed(suffixes[:-1] if compressed else suffixes), "")


def _read(path: Path, reader: Callable[[IO[bytes]], Iterator[Any]], unit: str) -> Iterator[Any]:
    number = 0
    try:
        with _unpacked(path) as stream:
            for item in reader(stream):
                yield item
                number += 1
    except UnicodeDecodeError as error:
        raise UserError(
            f"data file {path}, {unit} {number + 1}: is not valid UTF-8 ({error.reason}, byte "
            f"0x{error.object[error.start]:02x}): save the file as UTF-8, or leave the {unit} out"
        ) from None
    except BROKEN as error:
        raise UserError(f"data file {path} cannot be read after {unit} {number}: {error}") from None


def _unpacked(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".xz":
        return lzma.open(path)
    return io.BufferedReader(pa.input_stream(str(path), compression="detect"))


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Decoded one by one, so that an error is in the line that is wrong. A byte order mark is left out."""
    for number, line in enumerate(stream):
        yield line.decode("utf-8" if number else "utf-8-sig")


def _passages(stream: IO[bytes], characters: int) -> Iterator[str]:
    """A byte order mark is left out, and line ends are line feeds."""
    return passages(io.TextIOWrapper(stream, encoding="utf-8-sig"), characters)


def _json_lines(stream: IO[bytes]) -> Iterator[Any]:
    return (json.loads(line) for line in _lines(stream) if not line.isspace())


def _json(stream: IO[bytes]) -> Iterator[Any]:
    """One array, or lines after all."""
    content = stream.read()
    if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return iter(cast("list[Any]", json.loads(content.decode("utf-8-sig"))))
    return _json_lines(io.BytesIO(content))


def _csv(stream: IO[bytes], names: Sequence[str] | None = None, **dialect: Any) -> Iterator[Any]:
    """Rows of as many fields as there are names (None: those of the header).

    A text whose comma is not quoted would move the others by one.
    """
    wanted = f"these: {', '.join(names)}" if names else "the header: put texts with commas in quotes"
    csv.field_size_limit(LARGEST_FIELD)
    for row in csv.DictReader(_lines(stream), names, strict=True, **dialect):
        if None in row or None in row.values():
            raise csv.Error(f"the next row has more or fewer fields than {wanted}")
        yield row


def _parquet(stream: IO[bytes]) -> Iterator[Any]:
    """Value by value, because text is decoded only then."""
    for batch in pq.ParquetFile(pa.py_buffer(stream.read())).iter_batches():
        for values in zip(*batch.columns, strict=True):
            yield {name: value.as_py() for name, value in zip(batch.schema.names, values, strict=True)}
