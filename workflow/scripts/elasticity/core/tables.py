"""The tables: every stage writes parquet with a declared schema, and every reader checks it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from elasticity.core.errors import UserError


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> None:
    """Write rows as parquet; equal rows give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd")


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read parquet and check that it has this schema and at least one row.

    Raises ``UserError`` for a file that is truncated, foreign or empty.
    """
    remedy = f"Delete {path} and run the same command again: it will be made anew."
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as parquet ({str(error).splitlines()[0]}). {remedy}") from None
    if not table.schema.equals(schema, check_metadata=False):
        raise UserError(
            f"{path} holds other columns than expected.\n"
            f"  found:    {_columns(table.schema)}\n  expected: {_columns(schema)}\n{remedy}"
        )
    if table.num_rows == 0:
        raise UserError(f"{path} holds no rows. {remedy}")
    return table


def read_tables(paths: Sequence[Path], schema: pa.Schema) -> pa.Table:
    """Read the tables of several files as one, checked."""
    return pa.concat_tables([read_table(path, schema) for path in paths])


def read_rows(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Read a table, checked, as a list of rows."""
    rows: list[dict[str, Any]] = read_table(path, schema).to_pylist()
    return rows


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
