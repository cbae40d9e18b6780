"""From rows to tables: one value a seed, then means and t intervals over seeds."""

from pathlib import Path

import pandas as pd

HTML = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
  body {{ font: 14px sans-serif; margin: 1em; }}
  table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
  th, td {{ padding: 0.2em 0.8em; text-align: right; border-bottom: 1px solid #ddd; }}
</style>
{table}
"""
"""A page with one table."""


def write_table(table: pd.DataFrame, csv: Path, html: Path, digits: int = 3) -> None:
    """Write a table for programs and spreadsheets, and for reading in the report; equal values give equal bytes."""
    write_csv(table, csv)
    write_html(table, html, f".{digits}f")


def write_html(table: pd.DataFrame, path: Path, number: str) -> None:
    """Write a table for reading, numbers in this format."""
    shown = table.to_html(index=False, float_format=f"{{:{number}}}".format, border=0, na_rep="")
    path.write_text(HTML.format(table=shown))


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table for programs; equal values give equal bytes."""
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that ``write_csv`` wrote; a base model called ``NA`` or ``1.0`` keeps its name."""
    return pd.read_csv(path, dtype={"base": str}, keep_default_na=False, na_values=[""])
