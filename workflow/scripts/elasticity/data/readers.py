"""Readers of data files: rows of JSON, CSV, text and tables, and passages of plain text.

Tables are read by the library ``datasets`` (``elasticity.data.library``). JSON and CSV are not: it guesses types, by
which dates, numbers and missing values in texts change, and fills short rows up. All readers hold a few rows at a time.
"""

import bz2
import csv
import io
import json
import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from elasticity.core.errors import UserError
from elasticity.data.library import TABLES, saved_rows, table_rows, unique

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


KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", *TABLES, ".txt")
"""Suffixes of the files of rows that can be read."""


COMPRESSIONS = (".zst", ".gz", ".xz", ".bz2", ".zip")
"""Suffixes of the compressions that can be read."""


BLANKS = re.compile(r"[ \t\r\n]*")
"""White space in JSON."""


LARGEST_FIELD = 2**31 - 1
"""Largest number of characters in a field of a CSV file."""


BROKEN = (
    ValueError,  # of JSON, and of numbers of many thousand digits
    csv.Error,
    pa.ArrowException,
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # JSON that is too deep, and archives that are encrypted or compressed by another method
    EOFError,
    OSError,
)
"""Errors that the readers raise for a file that is damaged or has another format than its name says."""


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, whose suffixes name its format and compression, or of a folder that ``datasets`` saved.

    Raises ``UserError`` if it cannot be read; for bytes that are not UTF-8 it names the row.
    """
    if path.is_dir():
        yield from _numbered(path, partial(saved_rows, path), "row")
        return
    if (kind := kind_of(path)) not in KINDS:
        raise UserError(
            f"data file {path}: its suffix must be one of {', '.join(KINDS)}, alone or followed by one of "
            f"{', '.join(COMPRESSIONS)}; plain text of any name is read with source.format: passages"
        )
    readers: dict[str, Callable[[IO[bytes]], Iterator[Any]]] = {
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".json": _json,
        ".csv": _csv,
        ".tsv": partial(_csv, delimiter="\t"),
        ".txt": _text,
        **{table: partial(_table, path, table) for table in TABLES},
    }
    for number, row in enumerate(_read(path, readers[kind], "row"), start=1):
        if not isinstance(row, dict):
            raise UserError(f"data file {path}, row {number}: is a {type(row).__name__}, not an object with fields")
        yield row


def passages_of(path: Path, characters: int) -> Iterator[dict[str, Any]]:
    """The passages of a plain text file as rows with the field ``text``; see ``passages``.

    Raises ``UserError`` if the file cannot be read, or if its suffix is that of a file of rows.
    """
    if (kind := kind_of(path)) in KINDS and kind != ".txt":
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


def kind_of(path: Path) -> str:
    """The suffix of a file in lower case, without that of a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    compressed = bool(suffixes) and suffixes[-1] in COMPRESSIONS
    return next(reversed(suffixes[:-1] if compressed else suffixes), "")


def _read(path: Path, reader: Callable[[IO[bytes]], Iterator[Any]], unit: str) -> Iterator[Any]:
    """Read a file; errors become ``UserError`` with the number of the ``unit`` (row, line or passage) they are in."""

    def items() -> Iterator[Any]:
        with _unpacked(path) as stream:
            yield from reader(stream)

    return _numbered(path, items, unit)


def _numbered(path: Path, items: Callable[[], Iterator[Any]], unit: str) -> Iterator[Any]:
    """The items; errors become ``UserError`` with the number of the ``unit`` they are in."""
    number = 0
    try:
        for item in items():
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
    match path.suffix.lower():
        case ".xz":
            return lzma.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".zip":
            return _only_member(path)
    return io.BufferedReader(pa.input_stream(str(path), compression="detect"))


def _only_member(path: Path) -> IO[bytes]:
    """Open the one file in a zip archive."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise UserError(f"the archive holds {len(members)} files, not one: unpack it and name its folder")
        return archive.open(members[0])  # which stays open after the archive is closed


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """The lines as text, decoded one by one so that an error names the right line. A byte order mark is removed."""
    for number, line in enumerate(stream):
        yield line.decode("utf-8" if number else "utf-8-sig")


def _passages(stream: IO[bytes], characters: int) -> Iterator[str]:
    """The passages of a stream; a byte order mark is removed, and line ends become line feeds."""
    return passages(io.TextIOWrapper(stream, encoding="utf-8-sig"), characters)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON text. Raises ``UserError`` if it has a key twice."""
    unique([name for name, _ in pairs], "key")
    return dict(pairs)


def _json_lines(stream: IO[bytes]) -> Iterator[Any]:
    return (json.loads(line, object_pairs_hook=_object) for line in _lines(stream) if not line.isspace())


def _json(stream: IO[bytes]) -> Iterator[Any]:
    """The elements of one array, or JSON lines if the file does not begin with an array."""
    whole = io.BufferedReader(cast("io.RawIOBase", stream))
    start = whole.peek(BLOCK).removeprefix(b"\xef\xbb\xbf").lstrip()
    return _array(whole) if start.startswith(b"[") else _json_lines(whole)


def _array(stream: IO[bytes]) -> Iterator[Any]:
    """The elements of an array of JSON, decoded one by one. Bytes that are not UTF-8 are errors where they are."""
    reader = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")
    decode = json.JSONDecoder(object_pairs_hook=_object).raw_decode
    text, place, size = reader.read(BLOCK), 0, BLOCK
    place = text.index("[") + 1
    while True:
        place = BLANKS.match(text, place).end()  # type: ignore[union-attr]  # it matches anything
        if text.startswith("]", place):
            break
        try:
            item, end = decode(text, place)
            ended = BLANKS.match(text, end).end()  # type: ignore[union-attr]
            if ended == len(text):
                raise json.JSONDecodeError("Expecting ',' or ']'", text, ended)
        except json.JSONDecodeError:
            if not (more := reader.read(size)):
                raise
            text, place, size = text[place:] + more, 0, 2 * size  # an element is larger than what was read
            continue
        text[place:end].encode("utf-8", "surrogateescape").decode()
        yield item
        if text[ended] not in ",]":
            raise json.JSONDecodeError("Expecting ',' or ']'", text, ended)
        place, size = ended + (text[ended] == ","), BLOCK
    if (text[place + 1 :] + reader.read()).strip():
        raise json.JSONDecodeError("Extra data", text, place + 1)


def _text(stream: IO[bytes]) -> Iterator[Any]:
    """The lines of a text, each a row with the field ``text``."""
    return ({"text": line.rstrip("\r\n")} for line in _lines(stream))


def _table(path: Path, kind: str, stream: IO[bytes]) -> Iterator[Any]:
    """The rows of a table, which the library reads from a file that is not compressed."""
    if path.suffix.lower() == kind:
        yield from table_rows(path, kind)
        return
    with tempfile.NamedTemporaryFile(suffix=kind) as unpacked:
        shutil.copyfileobj(stream, unpacked)
        unpacked.flush()
        yield from table_rows(Path(unpacked.name), kind)


def _csv(stream: IO[bytes], names: Sequence[str] | None = None, **dialect: Any) -> Iterator[Any]:
    """Rows with the fields of the header, or with these names.

    Raises ``csv.Error`` for a row with more or fewer fields: a comma outside quotes would shift the fields after it.
    """
    wanted = f"these: {', '.join(names)}" if names else "the header: put texts that contain commas in quotes"
    csv.field_size_limit(LARGEST_FIELD)
    reader = csv.DictReader(_lines(stream), names, strict=True, **dialect)
    header = reader.fieldnames or ()
    unique(header, "column")
    if names is None and len(header) == 1 and (other := re.search("[;\t|]", header[0])):
        raise csv.Error(
            f"the header is one column, {header[0]!r}: if {other[0]!r} divides columns, write the file with commas, or "
            "with tabs and the suffix .tsv"
        )
    for row in reader:
        if None in row or None in row.values():
            raise csv.Error(f"the next row has more or fewer fields than {wanted}")
        yield row
