import csv
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elasticity.core.errors import UserError
from elasticity.data.readers import lines_of, rows_of

ROWS: list[dict[str, Any]] = [
    {"text": "A fine film, “really”.", "label": "1"},
    {"text": 'Dull,\n"very" dull.\r\nDull \u2028 again.', "label": "0"},
]


def json_lines(path: Path) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in ROWS), newline="")


def json_array(path: Path) -> None:
    path.write_text("\n " + json.dumps(ROWS, indent=1))


def comma_separated(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)


def parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


WRITERS = [(".jsonl", json_lines), (".json", json_lines), (".json", json_array), (".csv", comma_separated)]
WRITERS += [(".parquet", parquet)]


def pack(path: Path, compression: str) -> Path:
    packed = path.with_name(path.name + compression)
    if compression == ".xz":
        packed.write_bytes(lzma.compress(path.read_bytes()))
    else:
        with pa.output_stream(packed, compression="detect") as stream:
            stream.write(path.read_bytes())
    return packed


@pytest.mark.parametrize("compression", ["", ".gz", ".zst", ".xz"])
@pytest.mark.parametrize(("kind", "write"), WRITERS)
def test_files_are_read_compressed_or_not(
    tmp_path: Path, kind: str, write: Callable[[Path], None], compression: str
) -> None:
    path = tmp_path / f"some.reviews{kind}"
    write(path)
    assert list(rows_of(pack(path, compression) if compression else path)) == ROWS


def test_files_of_several_compressed_parts_are_read_completely(tmp_path: Path) -> None:
    path = tmp_path / "parts.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n') + gzip.compress(b'{"a": 2}\n'))
    assert [row["a"] for row in rows_of(path)] == [1, 2]


def test_a_row_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    text = "x, y\n" * 2_000_000
    for path, content in [(tmp_path / "l.jsonl", json.dumps({"a": text})), (tmp_path / "l.csv", f'a\n"{text}"\n')]:
        path.write_text(content)
        assert [row["a"] for row in rows_of(path)] == [text]


BROKEN: dict[str, tuple[str, bytes, list[str]]] = {
    "not an object": ("r.jsonl", b'{"a": 1}\n17\n', ["row 2", "int"]),
    "not JSON": ("r.jsonl", b'{"a": "b"}\n{"a": \n', ["cannot be read", "after row 1"]),
    "an array that ends early": ("r.json", b'[{"a": 1},', ["cannot be read"]),
    "not UTF-8": ("r.csv", "a,b\ncafe,1\ncafé,2\n".encode("latin-1"), ["row 2", "UTF-8", "0xe9"]),
    "not UTF-8 lines": ("r.jsonl", b'{"a": "b"}\n{"a": "\xff"}\n', ["row 2", "UTF-8", "0xff"]),
    "UTF-16": ("r.csv", "a,b\n1,2\n".encode("utf-16"), ["UTF-8", "0xff"]),
    "an open quote": ("r.csv", b'a,b\n1,2\n"3,4\n', ["cannot be read", "after row 1"]),
    "a comma too many": ("r.csv", b"text,label\nDull,0\nFine, I say,1\n", ["after row 1", "more or fewer", "quotes"]),
    "other separators": ("r.csv", b"text;label\nDull, and grim;0\n", ["header is one column, 'text;label'", "commas"]),
    "too few fields": ("r.csv", b"text,label\nDull,0\nI loved it\n", ["after row 1", "more or fewer", "header"]),
    "not compressed": ("r.csv.gz", b"a,b\nc,1\n", ["cannot be read"]),
    "not compressed, xz": ("r.csv.xz", b"a,b\nc,1\n", ["cannot be read"]),
    "truncated": ("r.csv.gz", gzip.compress(b"a,b\nc,1\n" * 99)[:-20], ["cannot be read"]),
    "truncated, xz": ("r.csv.xz", lzma.compress(b"a,b\nc,1\n" * 99)[:-20], ["cannot be read"]),
    "not parquet": ("r.parquet", b"a,b\nc,1\n", ["cannot be read"]),
    "other format": ("r.xml", b"<text/>", [".csv", ".jsonl", ".parquet", ".xz"]),
    "other compression": ("r.csv.rar", b"", [".csv", ".jsonl", ".parquet", ".xz"]),
    "no suffix": ("rows", b"", [".csv"]),
}


@pytest.mark.parametrize(("name", "content", "words"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, name: str, content: bytes, words: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        list(rows_of(path))
    assert [word for word in (str(path), *words) if word not in str(error.value)] == []


def test_lines_are_rows_of_named_fields_between_tabs(tmp_path: Path) -> None:
    path = tmp_path / "texts"
    path.write_bytes('1\t"Fine, 10" wide\r\n2\tDull \u2028 again\n'.encode())
    assert [list(row.values()) for row in lines_of(path, ("id", "text"))] == [
        ["1", '"Fine, 10" wide'],
        ["2", "Dull \u2028 again"],
    ]
    with pytest.raises(UserError, match=r"after line 0: the next row has more or fewer fields than these: id, "):
        list(lines_of(path, ("id", "side", "text")))


def test_bytes_in_parquet_that_are_not_utf8_are_an_error_with_their_row(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    column = pa.array([b"good", b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"text": column}), path)
    with pytest.raises(UserError, match=r"row 2: is not valid UTF-8 .*0xe9"):
        list(rows_of(path))
