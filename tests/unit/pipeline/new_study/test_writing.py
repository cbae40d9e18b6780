"""The studies that ``new`` writes: what is understood, the sizes that are chosen, and what is refused."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from huggingface_hub import constants
from transformers import LlamaConfig

from elasticity.config.data import HubData, Questions
from elasticity.config.loading import read_study_file
from elasticity.config.models import HubModel, ModelFolder
from elasticity.core.digests import file_digest
from elasticity.core.errors import UserError
from elasticity.data.cleaning import Raw, clean
from elasticity.pipeline.new_study import writing
from elasticity.pipeline.new_study.named import preferred
from elasticity.pipeline.new_study.sizes import candidates, possible
from elasticity.pipeline.new_study.writing import write_study
from elasticity.pipeline.planning.budget import core_hours
from elasticity.pipeline.planning.plan import plan
from elasticity.pipeline.study_pipeline import Pipeline
from tests.conftest import reviews
from tests.unit.families import FAMILIES
from tests.unit.hub_cache import COMMIT, add_to_cache


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with a chat template, reviews, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    FAMILIES["smollm2"].save(tmp_path / "models/Tiny_Chat")
    write(Path("reviews.jsonl"), reviews(480))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def questions(count: int) -> list[dict[str, Any]]:
    return [
        {"question": f"How is number {place}?", "answer": row["text"], "stars": 5 if row["label"] else 1}
        for place, row in enumerate(reviews(count))
    ]


def new(name: str = "mine", *, model: str = "models/Tiny_Chat", data: str = "reviews.jsonl", **more: Any) -> str:
    return write_study(name, [model], data, Path.cwd(), **more)


def refused(**named: Any) -> str:
    with pytest.raises(UserError) as error:
        new(**named)
    assert not Path("studies").exists()
    return str(error.value)


def test_a_study_of_reviews_is_written_as_it_is_described() -> None:
    said = new()
    study = read_study_file(Path("studies/mine.yaml"))
    Pipeline(study).check()
    assert study.models == {"tiny-chat": ModelFolder(kind="folder", path="models/Tiny_Chat")}
    task = study.tasks["data"]
    assert (task.source.kind, task.source.path) == ("file", "reviews.jsonl")  # type: ignore[union-attr]
    assert task.source.sha256 == file_digest(Path("reviews.jsonl"))  # type: ignore[union-attr]
    assert (task.prompts, task.template) == (None, "plain")
    assert [(it.lean, it.scores) for it in study.rebound.values()] == [(True, False)] * 3
    assert [it.planted for it in study.rebound.values()] == [None, 6, "nothing"]
    assert set(study.claims) == {"rebound-crosses", "planted-crossing", "planted-nothing"}
    assert all(claim.margin and claim.seeds == len(study.seeds) for claim in study.claims.values())
    assert plan(study) in said
    for words in (
        "positive: 240, negative: 240",
        "with a loss:",
        "studies/mine.yaml --cores all",
        "cards/tiny-chat",
    ):
        assert words in said


def test_questions_are_put_in_the_template_of_the_model() -> None:
    write(Path("questions.jsonl"), questions(300))
    said = new(data="questions.jsonl")
    task = read_study_file(Path("studies/mine.yaml")).tasks["data"]
    assert isinstance(task.prompts, Questions)
    assert str(task.template) == "chat"
    assert r"<|im_start|>assistant\n'" in said
    assert task.source.fields.model_dump(exclude_defaults=True) == {  # type: ignore[union-attr]
        "prompt": "question",
        "response": "answer",
        "label": "stars",
        "positive": 5,
        "negative": 1,
    }


def test_several_models_share_the_study_and_the_template_that_all_have() -> None:
    FAMILIES["pythia"].save(Path("models/other"))
    FAMILIES["smollm2"].save(Path("more/Tiny_Chat"))
    write(Path("questions.jsonl"), questions(300))
    write_study("mine", ["models/Tiny_Chat", "models/other", "more/Tiny_Chat"], "questions.jsonl", Path.cwd())
    study = read_study_file(Path("studies/mine.yaml"))
    assert list(study.models) == ["tiny-chat", "other", "tiny-chat-2"]
    assert study.rebound["existence"].bases == tuple(study.models)
    assert study.tasks["data"].template == "plain"


def test_paths_are_taken_from_where_the_command_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    write_study("mine", ["models/Tiny_Chat"], "reviews.jsonl", tmp_path)
    study = read_study_file(Path("studies/mine.yaml"))
    assert study.models["tiny-chat"].path == str(tmp_path / "models/Tiny_Chat")  # type: ignore[union-attr]
    Pipeline(study).check()


def test_a_model_and_data_of_the_hub_are_pinned_to_commits(tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in Path("models/Tiny_Chat").iterdir()}
    del files["model.safetensors"]  # the weights are not needed
    add_to_cache(tmp_path / "cache", "model", "org/Tiny", files, refs=("main",))
    rows = {f"{part}.jsonl": Path("reviews.jsonl").read_bytes() for part in ("train", "test")}
    add_to_cache(tmp_path / "cache", "dataset", "org/films", rows | {"README.md": b""}, refs=("main", "v2"))
    new(model="org/Tiny", data="org/films@v2")
    study = read_study_file(Path("studies/mine.yaml"))
    assert study.models["tiny"] == HubModel(kind="hub", repo="org/Tiny", revision=COMMIT)
    source = study.tasks["data"].source
    assert isinstance(source, HubData)
    assert (source.revision, source.subset, source.split) == (COMMIT, None, "train")


SPLITS = {
    "one for training": (["test", "validation", "train"], "train"),
    "several for training": (["test_sft", "train_sft", "train_prefs"], "train_sft"),
    "a whole": (["validation", "default", "other"], "default"),
    "another name": (["test", "dev", "harmless"], "harmless"),
    "validation rather than test": (["test", "validation"], "validation"),
    "only test": (["test"], "test"),
    "tests only": (["test_b", "test_a"], "test_b"),
}


@pytest.mark.parametrize(("there", "chosen"), SPLITS.values(), ids=SPLITS)
def test_the_split_is_the_one_for_training_or_the_next_best(there: list[str], chosen: str) -> None:
    assert preferred(there) == chosen


@pytest.mark.parametrize("there", [("test",), ("test", "validation"), ("train", "test")])
def test_the_split_of_hub_data_is_chosen_and_said(tmp_path: Path, there: tuple[str, ...]) -> None:
    rows = {f"data/{part}-00000-of-00001.jsonl": Path("reviews.jsonl").read_bytes() for part in there}
    add_to_cache(tmp_path / "cache", "dataset", "org/films", rows | {"README.md": b""}, refs=("main",))
    said = new(data="org/films")
    source = read_study_file(Path("studies/mine.yaml")).tasks["data"].source
    assert source.split == preferred(there)  # type: ignore[union-attr]
    assert (f"split {preferred(there)} of " in said) == (len(there) > 1)
    assert ("--split NAME takes another one" in Path("studies/mine.yaml").read_text()) == (len(there) > 1)
    assert f"split {there[-1]}" in new("other", data="org/films", split=there[-1]) or len(there) == 1
    with pytest.raises(UserError, match=rf"--data org/films has no split dev; its splits: .*{there[0]}"):
        new("third", data="org/films", split="dev")


def test_the_split_of_saved_data_is_chosen_and_said() -> None:
    saved = datasets.Dataset.from_list(reviews(480))
    datasets.DatasetDict(test=saved.select(range(9)), validation=saved).save_to_disk("saved")
    assert "split validation (validation) of test, validation" in new(data="saved")
    assert read_study_file(Path("studies/mine.yaml")).tasks["data"].source.split == "validation"  # type: ignore[union-attr]


def test_the_split_of_a_folder_is_chosen_if_it_has_several() -> None:
    for name in ("a", "b"):
        write(Path(f"shards/{name}.jsonl"), reviews(240))
        write(Path(f"films/{name}/test.jsonl"), reviews(3))
        write(Path(f"films/{name}/train.jsonl"), reviews(480))
    new(data="shards")
    assert read_study_file(Path("studies/mine.yaml")).tasks["data"].source.split is None  # type: ignore[union-attr]
    assert "split train (train.jsonl, train.jsonl) of " in new("films", data="films")
    assert read_study_file(Path("studies/films.yaml")).tasks["data"].source.split == "train"  # type: ignore[union-attr]


def test_one_of_several_subsets_is_named_after_a_colon() -> None:
    write(Path("films/a.jsonl"), reviews(480))
    write(Path("films/b.jsonl"), [{"text": "no label"}])
    parts = [{"config_name": name, "data_files": f"{name}.jsonl"} for name in "ab"]
    Path("films/README.md").write_text(f"---\nconfigs: {json.dumps(parts)}\n---\n")
    assert "available configs: ['a', 'b'] (a subset is named in the study, source.subset, and" in refused(data="films")
    new(data="films:a")
    source = read_study_file(Path("studies/mine.yaml")).tasks["data"].source
    assert (source.path, source.subset, source.split) == ("films", "a", None)  # type: ignore[union-attr]


def test_in_the_folder_of_the_project_the_next_command_is_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(writing, "SCRIPTS", tmp_path / "workflow/scripts")
    assert "Next: make run STUDY=studies/mine.yaml\n" in new()


# Sizes


def rows_of(count: int, prompts: int | None = None) -> list[dict[str, str]]:
    raws = [
        Raw(f"Question {place % prompts}" if prompts else None, f"text {place}", side)
        for place in range(count)
        for side in ("positive", "negative")
    ]
    with tempfile.TemporaryFile() as spool:
        return list(clean((raw._replace(response=f"{raw.side} {raw.response}") for raw in raws), spool)[0])


@pytest.mark.parametrize("count", [150, 400, 3000])
def test_sizes_are_those_that_the_splits_can_be_filled_with(count: int) -> None:
    rows = rows_of(count)
    fitting = possible(rows, None)
    wanted = [
        it for it in candidates() if max(it.alignment[-1], it.inverse[-1]) + 36 + it.seeds * it.lean_texts <= count
    ]
    assert fitting[0] == wanted[0]


def test_prompts_that_are_too_few_are_too_few() -> None:
    prompts = Questions(kind="questions", max_tokens=16)
    with pytest.raises(
        UserError, match=r"too few examples, even for the smallest study: the split .* different prompts"
    ):
        possible(rows_of(3000, prompts=3), prompts)


def test_sizes_get_smaller_until_an_hour_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": f"{row['text']} {place}", "label": row["label"]} for place, row in enumerate(reviews(3000))]
    write(Path("reviews.jsonl"), rows)
    new()
    monkeypatch.setattr(
        writing, "HOURS", 0.6 * core_hours(read_study_file(Path("studies/mine.yaml"))) / (os.cpu_count() or 1)
    )
    new("less")
    more, less = (read_study_file(Path(f"studies/{name}.yaml")) for name in ("mine", "less"))
    assert core_hours(less) <= 0.6 * core_hours(more)


def test_a_model_that_is_too_large_for_an_hour_is_said_so(tmp_path: Path) -> None:
    config = LlamaConfig(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32)
    (tmp_path / "models/Tiny_Chat").rename(tmp_path / "models/large")
    (tmp_path / "models/large/config.json").write_text(config.to_json_string())
    (tmp_path / "models/large/model.safetensors").unlink()
    said = new(model="models/large")
    assert "6,738.4M parameters" in said
    assert "use a GPU" in said
    study = read_study_file(Path("studies/mine.yaml"))
    assert (len(study.seeds), study.alignment.learning_rate) == (3, 2e-5)


# What is refused


def test_nothing_is_overwritten() -> None:
    new()
    before = Path("studies/mine.yaml").read_bytes()
    with pytest.raises(UserError, match=r"studies/mine.yaml exists and is not overwritten: choose another name"):
        new()
    assert Path("studies/mine.yaml").read_bytes() == before
    Path("results/other").mkdir(parents=True)
    with pytest.raises(UserError, match="results/other exists"):
        new("other")
    with pytest.raises(UserError, match="'a/b' cannot be the name of a study"):
        new("a/b")


MODELS = {
    "nowhere": ("nowhere.gguf", r"--model nowhere.gguf: .*nowhere.gguf does not exist.*owner/name"),
    "not in the cache": ("org/none", r"the model org/none at revision main .* HF_HUB_OFFLINE"),
    "no model": ("reviews.jsonl", "--model reviews.jsonl: a file that is no .gguf"),
    "no such package": ("no_such:model.gguf", "the Python package no_such is not installed"),
    "no such file in a package": ("yaml:model.gguf", "the Python package yaml has no file model.gguf"),
}


@pytest.mark.parametrize(("model", "words"), MODELS.values(), ids=MODELS)
def test_unknown_models_are_refused(model: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        new(model=model)


def test_encoders_are_refused() -> None:
    file = Path("models/Tiny_Chat/config.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"architectures": ["BertForMaskedLM"]}))
    assert "is no causal language model" in refused()


def test_a_gguf_file_that_is_none_is_refused() -> None:
    Path("model.gguf").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert "model.gguf cannot be read as a GGUF file: it does not begin with GGUF" in refused(model="model.gguf")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: row | {"label": 1}, "no negative examples"),
        (lambda row: {"text": row["text"]}, "two sides are needed, but all examples would be neutral"),
        (lambda row: {"text": row["text"], "label": "ab"[row["label"]]}, "--fields '{prompt"),
        (lambda row: {"number": row["label"]}, "no field holds text"),
    ],
    ids=["one side", "no label", "unknown labels", "no text"],
)
def test_data_without_two_sides_are_refused_with_what_to_say(
    change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    write(Path("reviews.jsonl"), [change(row) for row in reviews(480)])
    message = refused()
    assert words in message
    assert "--fields" in message


def test_what_cannot_be_found_out_can_be_said() -> None:
    write(Path("reviews.jsonl"), [{"text": row["text"], "kind": "ab"[row["label"]]} for row in reviews(480)])
    new(fields="{response: text, label: kind, positive: b, negative: a}")
    fields = read_study_file(Path("studies/mine.yaml")).tasks["data"].source.fields  # type: ignore[union-attr]
    assert (fields.label, fields.positive, fields.negative) == ("kind", "b", "a")
    with pytest.raises(UserError, match=r"--fields '\{lable: kind\}'.*lable"):
        new("other", fields="{lable: kind}")


def test_too_few_examples_are_refused_with_their_number() -> None:
    write(Path("reviews.jsonl"), reviews(60))
    assert "the data hold too few examples, even for the smallest study: the split " in refused()


def test_data_that_are_nowhere_are_refused() -> None:
    assert "--data none.jsonl: " in refused(data="none.jsonl")
    assert "the dataset org/none at revision main" in refused(data="org/none")


def test_the_text_is_a_study_with_unique_keys_that_names_everything_by_hand() -> None:
    new()
    text = Path("studies/mine.yaml").read_text()
    assert yaml.safe_load(text)["name"] == "mine"
    assert max(map(len, text.splitlines())) < 200
    assert text.count("#") > 12
