"""Local data as files, shards, folders, patterns, and folders that the library ``datasets`` saved."""

import bz2
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import datasets
import pytest

from elasticity.config.data import DataFile, Fields
from elasticity.core.errors import UserError
from elasticity.data.files import all_files
from elasticity.data.readers import rows_of
from elasticity.data.sources import examples, rows
from elasticity.data.tally import Tally

TEXTS = [{"text": f"A {word} film.", "label": place % 2} for place, word in enumerate(["dull", "fine", "grim", "kind"])]


def lines(*found: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in found)


def read(path: str | tuple[str, ...], **options: Any) -> list[str | None]:
    return [raw.response for raw in examples(DataFile(kind="file", path=path, **options))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of shards in several formats, with files that are no data."""
    shards = tmp_path / "shards of mine"
    (shards / "more").mkdir(parents=True)
    (shards / "a-0.jsonl").write_text(lines(*TEXTS[:1]))
    (shards / "a-1.json").write_text(json.dumps(TEXTS[1:2]))
    (shards / "b.tsv").write_text("text\tlabel\nA grim film.\t0\n")
    datasets.Dataset.from_list(TEXTS[3:]).to_parquet(shards / "more/c.parquet")
    (shards / "README.md").write_text("# Films")
    (shards / "notes.txt").write_text("Not data.")
    (shards / ".hidden.csv").write_text("text,label\nNo,1\n")
    return shards


def test_a_folder_is_read_file_by_file_without_what_is_no_data(folder: Path) -> None:
    assert read(str(folder)) == [row["text"] for row in TEXTS]
    assert len({raw.source for raw in examples(DataFile(kind="file", path=str(folder)))}) == 4


def test_patterns_and_several_paths_are_read_in_order(folder: Path) -> None:
    words = [row["text"] for row in TEXTS]
    assert read(f"{folder}/a-*") == words[:2]
    assert read(f"{folder}/**/*.parquet", fields=Fields(label=None)) == words[3:]
    assert read((f"{folder}/b.tsv", f"{folder}/a-1.json")) == [words[2], words[1]]
    assert all_files(f"{folder}/a-*") == [folder / "a-0.jsonl", folder / "a-1.json"]


def test_what_is_not_there_is_an_error_with_what_is(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"data file .*z-\*\.csv does not exist"):
        read(f"{folder}/z-*.csv")
    with pytest.raises(UserError, match=r"holds no data files \(\.jsonl.*\), but nothing"):
        read(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="sha256 is that of one file, but 4 are read"):
        read(str(folder), sha256="0" * 64)


def test_a_folder_of_text_files_is_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Two.\n")
    (tmp_path / "a.txt").write_text("One.\r\nNA\n007\n")
    assert read(str(tmp_path), fields=Fields(label=None)) == ["One.", "NA", "007", "Two."]


def test_a_folder_that_datasets_saved_is_read_with_the_names_of_its_labels(tmp_path: Path) -> None:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["dull", "fine", "other"])}
    )
    saved = datasets.Dataset.from_list([*TEXTS, {"text": "A film.", "label": 2}], features=features)
    saved.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=saved, test=saved.select([0, 1])).save_to_disk(tmp_path / "two")
    saved.to_parquet(tmp_path / "rows.parquet")
    for path in ("one", "rows.parquet", "two"):
        for positive, negative in (("fine", "dull"), (1, 0)):
            tally = Tally()
            fields = Fields(positive=positive, negative=negative)
            split = "train" if path == "two" else None
            source = DataFile(kind="file", path=str(tmp_path / path), fields=fields, split=split)
            found = [raw.side for raw in examples(source, tally)]
            assert found == ["negative", "positive"] * 2
            assert (tally.rows, tally.passed_over) == (5, {"label 'other' (2)": 1})
    with pytest.raises(UserError, match="has several splits: name one of train, test in the study"):
        read(str(tmp_path / "two"))


def test_the_splits_of_a_folder_are_those_of_its_readme(folder: Path) -> None:
    configurations = [
        {"config_name": "small", "data_files": [{"split": "train", "path": "a-1*"}, {"split": "test", "path": "a-0*"}]}
    ]
    (folder / "README.md").write_text(f"---\nconfigs: {json.dumps(configurations)}\n---\n")
    assert read(str(folder), split="train", fields=Fields(label=None)) == [TEXTS[1]["text"]]
    with pytest.raises(UserError, match="has the splits train, test: name one of them"):
        read(str(folder), split="dev")
    with pytest.raises(UserError, match=r"cannot be read by subset and split: .*large.*small"):
        read(str(folder), subset="large", split="train")


@pytest.mark.parametrize("suffix", [".bz2", ".zip"])
def test_further_compressions_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r.jsonl{suffix}"
    if suffix == ".bz2":
        path.write_bytes(bz2.compress(lines(*TEXTS[:2]).encode()) + bz2.compress(lines(*TEXTS[2:]).encode()))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("films/r.jsonl", lines(*TEXTS))
    assert list(rows_of(path)) == TEXTS


@pytest.mark.parametrize(
    ("local", "central", "bits", "found"),
    [
        (60, None, 0xFF, "while decompressing"),
        (6, 8, 1, "is encrypted"),
        (8, 10, 1, "compression method is not supported"),
    ],
)
def test_a_zip_that_cannot_be_unpacked_is_named(
    tmp_path: Path, local: int, central: int | None, bits: int, found: str
) -> None:
    """Bits are flipped of the compressed text, or of its flags or method, which are in two headers."""
    path = tmp_path / "a.jsonl.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jsonl", lines(*({"text": f"A film of {number}."} for number in range(99))))
    content = bytearray(path.read_bytes())
    content[local] ^= bits
    if central is not None:
        content[content.index(b"PK\x01\x02") + central] ^= bits
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^data file .*a\.jsonl\.zip cannot be read after row 0: .*{found}"):
        list(rows_of(path))


def test_a_zip_of_several_files_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "r.csv.zip", "w") as archive:
        archive.writestr("a.csv", "text\n")
        archive.writestr("b.csv", "text\n")
    with pytest.raises(UserError, match="holds 2 files, not one: unpack it and name its folder"):
        list(rows_of(tmp_path / "r.csv.zip"))


WRITTEN = ["007", "NA", "null", "1.0", "1e5", "2024-01-02", "true", "True", "", " two ", "-5", "1,000", "nan"]


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
@pytest.mark.parametrize("texts", [WRITTEN, ["2024-01-02", "2024-01-03"], ["007", "008"], ["NA", "NA"]])
def test_texts_are_read_exactly_as_they_are_written(tmp_path: Path, kind: str, texts: list[str]) -> None:
    """Also where all texts of a column look like dates, numbers or missing values, which libraries convert."""
    path = tmp_path / f"r{kind}"
    found = [{"text": text} for text in texts]
    if kind == ".parquet":
        datasets.Dataset.from_list(found).to_parquet(path)
    elif kind in (".csv", ".tsv"):
        path.write_text('"text"\n' + "".join(f'"{text}"\n' for text in texts))
    else:
        path.write_text(json.dumps(found) if kind == ".json" else lines(*found))
    assert [row["text"] for row in rows(DataFile(kind="file", path=str(path)))] == texts


def test_fields_in_fields_are_read_and_nulls_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    said = [
        {"film": {"text": "Fine."}, "marks": [4]},
        {"film": None, "marks": [4]},
        {"film": {"text": "No."}, "marks": [1]},
    ]
    path.write_text(lines(*said))
    fields = Fields(response="film.text", label="marks.0", positive=(4, 5, 4.5), negative=1)
    source = DataFile(kind="file", path=str(path), fields=fields.model_copy(update={"positive": 4}))
    tally = Tally()
    assert [(raw.response, raw.side) for raw in examples(source, tally)] == [("Fine.", "positive"), ("No.", "negative")]
    assert tally.passed_over == {"film.text is null": 1}
    with pytest.raises(UserError, match=r"no row has marks\.0 4\.5, 5; found: 4 \(2 rows\), 1 \(1 rows\)"):
        list(examples(source.model_copy(update={"fields": fields})))


@pytest.mark.parametrize("form", ['{{"text": {deep}}}', '[{{"text": {deep}}}]'])
def test_nesting_without_end_is_named(tmp_path: Path, form: str) -> None:
    path = tmp_path / "deep.json"
    path.write_text(form.format(deep="[" * 100_000 + "]" * 100_000))
    with pytest.raises(UserError, match=r"deep\.json cannot be read after row 0: maximum recursion depth"):
        list(rows(DataFile(kind="file", path=str(path))))


def test_a_number_of_thousands_of_digits_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "n": 1}\n{"text": "y", "n": ' + "9" * 5000 + "}\n")
    with pytest.raises(UserError, match=r"a\.jsonl cannot be read after row 1: .*limit"):
        list(rows_of(tmp_path / "a.jsonl"))


def test_a_row_with_very_many_fields_is_read_in_no_time(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({f"field {number}": 0 for number in range(100_000)}))
    started = time.process_time()
    (row,) = rows_of(tmp_path / "a.jsonl")
    assert len(row) == 100_000
    assert time.process_time() - started < 5


def test_an_empty_path_is_not_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert all_files(".")
    assert all_files("") == []
