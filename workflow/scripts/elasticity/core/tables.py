"""Parquet tables with declared schemas, which are checked on reading."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from elasticity.core.errors import UserError

ROW_GROUP = 1 << 20
"""Rows of a row group."""


ROW_GROUP_CHARACTERS = 1 << 26
"""Characters of text after which a row group ends early, so that large tables are written with little memory."""


BATCH = 1000
"""Rows that ``rows_in_batches`` holds at once."""


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows as a parquet file with checksums and create its folder. Equal rows give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for group in _row_groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _row_groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Divide rows into row groups; a table without rows has one that is empty."""
    group: list[Mapping[str, Any]] = []
    characters = 0
    for row in rows:
        if len(group) == ROW_GROUP or characters > ROW_GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
        group.append(row)
        characters += sum(len(value) for value in row.values() if isinstance(value, str))
    yield group


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a parquet file and check its checksums, that it has this schema, and at least one row.

    Raises ``UserError`` if the file cannot be read, has another schema, or holds no rows.
    """
    table = _read(path, schema)
    if table.num_rows == 0:
        raise UserError(f"{path} holds no rows. {_remedy(path)}")
    return table


def _read(path: Path, schema: pa.Schema) -> pa.Table:
    with _readable(path):
        table = pq.read_table(path, page_checksum_verification=True)
        table.validate(full=True)
        _check(path, table.schema, schema)
    return table


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors of reading a file into ``UserError``."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as parquet ({str(error).splitlines()[0]}). {_remedy(path)}") from None


def _check(path: Path, found: pa.Schema, expected: pa.Schema) -> None:
    if not found.equals(expected, check_metadata=False):
        raise UserError(
            f"{path} holds other columns than expected.\n  found:    {_columns(found)}\n"
            f"  expected: {_columns(expected)}\n{_remedy(path)}"
        )


def read_tables(paths: Sequence[Path], schema: pa.Schema) -> pa.Table:
    """Read several parquet files as one table, checked as in ``read_table``."""
    return pa.concat_tables([read_table(path, schema) for path in paths])


def read_rows(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Read a parquet file as a list of rows, checked as in ``read_table``."""
    rows: list[dict[str, Any]] = read_table(path, schema).to_pylist()
    return rows


def rows_in_batches(path: Path, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """Read the rows of a large parquet file a few at a time; each is checked as in ``read_table``."""
    with _readable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        _check(path, file.schema_arrow, schema)
        found = 0
        for batch in file.iter_batches(BATCH):
            batch.validate(full=True)
            found += batch.num_rows
            yield from batch.to_pylist()
        if found != file.metadata.num_rows:  # iteration ends at some damages without an error
            raise pa.ArrowInvalid(f"{found} of {file.metadata.num_rows} rows")


def read_any_rows(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Read a parquet file that may hold no rows as a list of rows, otherwise checked as in ``read_table``."""
    rows: list[dict[str, Any]] = _read(path, schema).to_pylist()
    return rows


def _remedy(path: Path) -> str:
    return f"Delete {path} and run the same command again: it will be created anew."


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
