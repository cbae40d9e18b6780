"""Readers of data files: rows of JSON lines, JSON arrays, CSV and parquet, and passages of plain text."""

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
"""Characters that are read at once. The passages do not depend on it."""


ENDS = ("\n\n", "\n", " ")
"""Ends of paragraphs, lines and words: where a passage may end, in order of preference."""


def passages(stream: IO[str], longest: int) -> Iterator[str]:
    """Divide a text into passages of at most ``longest`` characters.

    A passage ends at the last end of a paragraph in the second half of its possible length; if there is none, at the
    last end of a line there; if there is none, at the last end of a word; otherwise it has ``longest`` characters.
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
    """The offset at which the passage that begins at ``start`` ends."""
    for end in ENDS:
        place = text.rfind(end, start + longest // 2, start + longest)
        if place >= 0:
            return place + len(end)
    return start + longest


KINDS = (".jsonl", ".json", ".csv", ".parquet")
"""Suffixes of the files of rows that can be read."""


COMPRESSIONS = (".zst", ".gz", ".xz")
"""Suffixes of the compressions that can be read."""


LARGEST_FIELD = 2**31 - 1
"""Largest number of characters in a field of a CSV file."""


BROKEN = (json.JSONDecodeError, csv.Error, pa.ArrowException, lzma.LZMAError, EOFError, OSError)
"""Errors that the readers raise for a file that is damaged or has another format than its name says."""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, whose suffixes name its format and compression.

    Raises ``UserError`` if the file cannot be read; for bytes that are not UTF-8 it names the row.
    """
    if (kind := _kind(path)) not in KINDS:
        raise UserError(
            f"data file {path}: its suffix must be one of {', '.join(KINDS)}, alone or followed by one of "
            f"{', '.join(COMPRESSIONS)}; plain text of any name is read with source.format: passages"
        )
    readers = {".jsonl": _json_lines, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    for number, row in enumerate(_read(path, readers[kind], "row"), start=1):
        if not isinstance(row, dict):
            raise UserError(f"data file {path}, row {number}: is a {type(row).__name__}, not an object with fields")
        yield row


def passages_of(path: Path, characters: int) -> Iterator[dict[str, Any]]:
    """The passages of a plain text file as rows with the field ``text``; see ``passages``.

    Raises ``UserError`` if the file cannot be read, or if its suffix is that of a file of rows.
    """
    if (kind := _kind(path)) in KINDS:
        raise UserError(
            f"data file {path}: {kind} holds rows, not passages: choose another source.format, or name its fields in "
            "source.fields"
        )
    for passage in _read(path, partial(_passages, characters=characters), "passage"):
        yield {"text": passage}


def lines_of(path: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The lines of a text file as rows of tab-separated fields with these names; the file has no header.

    Raises ``UserError`` if the file cannot be read, or if a line has more or fewer fields.
    """
    return _read(path, partial(_csv, names=names, delimiter="\t", quoting=csv.QUOTE_NONE), "line")


def _kind(path: Path) -> str:
    """The suffix of a file in lower case, without that of a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compressed = bool(suffixes) and suffixes[-1] in COMPRESSIONS
    return next(reversed(suffixes[:-1] if compressed else suffixes), "")


def _read(path: Path, reader: Callable[[IO[bytes]], Iterator[Any]], unit: str) -> Iterator[Any]:
    """Read a file; errors become ``UserError`` with the number of the ``unit`` (row, line or passage) they are in."""
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
    except UserError as error:
        raise UserError(f"data file {path}, {unit} {number + 1}: {error}") from None
    except BROKEN as error:
        raise UserError(f"data file {path} cannot be read after {unit} {number}: {error}") from None


def _unpacked(path: Path) -> IO[bytes]:
    """Open a file, decompressed according to its suffix."""
    if path.suffix.lower() == ".xz":
        return lzma.open(path)
    return io.BufferedReader(pa.input_stream(str(path), compression="detect"))


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """The lines as text, decoded one by one so that an error names the right line. A byte order mark is removed."""
    for number, line in enumerate(stream):
        yield line.decode("utf-8" if number else "utf-8-sig")


def _passages(stream: IO[bytes], characters: int) -> Iterator[str]:
    """The passages of a stream; a byte order mark is removed, and line ends become line feeds."""
    return passages(io.TextIOWrapper(stream, encoding="utf-8-sig"), characters)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON text. Raises ``UserError`` if it has a key twice."""
    _unique([name for name, _ in pairs], "key")
    return dict(pairs)


def _unique(names: Sequence[str], what: str) -> None:
    """Raise ``UserError`` if a name is given twice: only one of the two would be read."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{what} {twice[0]!r} is there twice: give one of them another name, or leave it out")


def _json_lines(stream: IO[bytes]) -> Iterator[Any]:
    return (json.loads(line, object_pairs_hook=_object) for line in _lines(stream) if not line.isspace())


def _json(stream: IO[bytes]) -> Iterator[Any]:
    """The elements of one array, or JSON lines if the file does not begin with an array."""
    content = stream.read()
    if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return iter(cast("list[Any]", json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)))
    return _json_lines(io.BytesIO(content))


def _csv(stream: IO[bytes], names: Sequence[str] | None = None, **dialect: Any) -> Iterator[Any]:
    """Rows with the fields of the header, or with these names.

    Raises ``csv.Error`` for a row with more or fewer fields: a comma outside quotes would shift the fields after it.
    """
    wanted = f"these: {', '.join(names)}" if names else "the header: put texts that contain commas in quotes"
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.DictReader(_lines(stream), names, strict=True, **dialect)
    _unique(reader.fieldnames or (), "column")
    for row in reader:
        if None in row or None in row.values():
            raise csv.Error(f"the next row has more or fewer fields than {wanted}")
        yield row


def _parquet(stream: IO[bytes]) -> Iterator[Any]:
    """The rows of a parquet file, converted value by value, so that an error in a text's encoding names its row."""
    file = pq.ParquetFile(pa.py_buffer(stream.read()))
    _unique(file.schema_arrow.names, "column")
    for batch in file.iter_batches():
        for values in zip(*batch.columns, strict=True):
            yield {name: value.as_py() for name, value in zip(batch.schema.names, values, strict=True)}
