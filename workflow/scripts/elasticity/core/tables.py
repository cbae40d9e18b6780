"""Parquet tables with declared schemas, which are checked on reading."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from elasticity.core.errors import UserError

ROW_GROUP = 1 << 20
"""Rows of a row group."""


ROW_GROUP_CHARACTERS = 1 << 28
"""Characters of text after which a row group ends early, so that large tables are written with little memory."""


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
    remedy = _remedy(path)
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        table.validate(full=True)
        found = _columns(table.schema)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as parquet ({str(error).splitlines()[0]}). {remedy}") from None
    if not table.schema.equals(schema, check_metadata=False):
        raise UserError(
            f"{path} holds other columns than expected.\n  found:    {found}\n  expected: {_columns(schema)}\n{remedy}"
        )
    return table


def read_tables(paths: Sequence[Path], schema: pa.Schema) -> pa.Table:
    """Read several parquet files as one table, checked as in ``read_table``."""
    return pa.concat_tables([read_table(path, schema) for path in paths])


def read_rows(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Read a parquet file as a list of rows, checked as in ``read_table``."""
    rows: list[dict[str, Any]] = read_table(path, schema).to_pylist()
    return rows


def read_any_rows(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Read a parquet file that may hold no rows as a list of rows, otherwise checked as in ``read_table``."""
    rows: list[dict[str, Any]] = _read(path, schema).to_pylist()
    return rows


def _remedy(path: Path) -> str:
    return f"Delete {path} and run the same command again: it will be created anew."


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
