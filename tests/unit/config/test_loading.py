"""Reading a study: defaults, messages for mistakes, and ``extends``."""

import datetime
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticity.config.base import opposite
from elasticity.config.data import DataFile, MovieReviews
from elasticity.config.loading import read_study, read_study_file
from elasticity.config.yaml_files import read_mapping
from elasticity.core.errors import UserError
from tests.unit.conftest import complaint

Values = dict[str, Any]


def put(values: Values, place: str, value: object) -> None:
    *parents, last = place.split(".")
    for parent in parents:
        values = values[parent]
    values[last] = value


# What is read


def test_a_study_keeps_its_values_and_fills_in_defaults(values: Values) -> None:
    study = read_study(values)
    assert study.seeds == (1, 2)
    assert study.alignment.learning_rate == 1e-3
    assert (study.alignment.schedule, study.alignment.epochs, study.alignment.beta2) == (
        "constant",
        1,
        0.95,
    )
    assert study.rebound["existence"].alignment_side == "positive"
    assert isinstance(study.tasks["reviews"].source, DataFile)


def test_checkpoints_and_folders_are_bases(values: Values) -> None:
    assert read_study(values).bases == {"nano-step3": ("nano", 3), "nano": ("nano", 6), "given": ("given", 0)}


def test_kind_selects_the_source(values: Values) -> None:
    put(values, "tasks.reviews.source", {"kind": "movie-reviews"})
    assert isinstance(read_study(values).tasks["reviews"].source, MovieReviews)


def test_sides_are_opposite() -> None:
    assert (opposite("positive"), opposite("negative")) == ("negative", "positive")


# Mistakes: the key, the value that is put there, and parts of the message

MISTAKES: dict[str, tuple[str, Any, list[str]]] = {
    "name of 81 characters": ("name", "n" * 81, ["name: ", "at most 80 characters"]),
    "seed beyond 64 bits": ("seeds", [1, 2**63], ["seeds.1: ", "less than 9223372036854775808", str(2**63)]),
    "seed of very many digits": ("sampling.seed", 10**400, ["sampling.seed: "]),
    "unknown section": ("sede", [1], ["sede: unknown key", "did you mean 'seeds'?", "extends"]),
    "unknown key": ("sampling.temprature", 1.0, ["sampling.temprature", "did you mean 'temperature'?", "top_k"]),
    "unknown key, deeper": (
        "tasks.reviews.splits.postive",
        3,
        ["tasks.reviews.splits.postive: unknown key", "did you mean 'positive'?", "pretraining"],
    ),
    "unknown key beside a kind": (
        "models.nano.optimization.shedule",
        "linear",
        ["models.nano.optimization.shedule", "did you mean 'schedule'?"],
    ),
    "unknown key, no guess": (
        "alignment.xyz",
        1,
        ["alignment.xyz: unknown key; allowed here: learning_rate"],
    ),
    "number read as text": (
        "alignment.learning_rate",
        "1e-5",
        ["alignment.learning_rate", '"1e-5"', "1.0e-5"],
    ),
    "text": ("alignment.batch_size", "many", ["alignment.batch_size", '"many"']),
    "nothing to compare": (
        "recipes",
        {"ppo": {"learning_rate": 1.0e-5, "batch_size": 1, "max_length": 64, "algorithm": {"kind": "ppo"}}},
        ["recipes.ppo", "batch_size of 2 or more"],
    ),
    "fraction": ("seeds", [1.5], ["seeds.0", "1.5"]),
    "negative": ("alignment.learning_rate", -1.0, ["alignment.learning_rate", "greater than 0", "-1.0"]),
    "not finite": ("alignment.learning_rate", math.inf, ["alignment.learning_rate", "finite"]),
    "date": ("sampling.seed", datetime.date(2026, 1, 2), ["sampling.seed", "2026-01-02"]),
    "unknown choice": ("inverse.schedule", "cosin", ["inverse.schedule", "cosin", "'cosine'"]),
    "unknown kind": ("models.given.kind", "web", ["models.given", "'web'", "'folder'"]),
    "no seeds": ("seeds", [], ["seeds", "at least 1"]),
    "no sizes": ("rebound.existence.inverse_sizes", [], ["rebound.existence.inverse_sizes", "at least 1"]),
    "no bases": ("resistance.slices.bases", [], ["resistance.slices.bases", "at least 1"]),
    "seeds twice": ("seeds", [1, 1], ["seeds", "[1, 1]", "without repeats"]),
    "descending sizes": ("rebound.existence.alignment_sizes", [16, 8], ["alignment_sizes", "[16, 8]", "ascending"]),
    "bases twice": ("rebound.existence.bases", ["nano", "nano"], ["rebound.existence.bases", "twice"]),
    "name with a space": ("name", "my study", ["name", "'my study'", "letters, digits, dots and hyphens"]),
    "name with a slash": ("tasks.a/b", None, ["tasks", "'a/b'", "letters, digits, dots and hyphens"]),
    "name that is a folder": ("name", "..", ["name", "'..'"]),
    "unknown model": ("rebound.existence.bases", ["nan0"], ["rebound.existence.bases", "'nan0'", "nano, nano-step3"]),
    "unknown task": ("rebound.existence.task", "views", ["rebound.existence.task", "'views'", "reviews"]),
    "unknown tokenizer": ("tasks.reviews.prompts.tokenizer", "big", ["tasks.reviews.prompts.tokenizer", "'big'"]),
    "unknown pretraining task": ("models.nano.task", "views", ["models.nano.task", "'views'", "reviews"]),
    "more texts for alignment than the split has": (
        "rebound.existence.alignment_sizes",
        [41],
        ["41 positive", "positive holds 40"],
    ),
    "more texts for the inverse stage than the split has": (
        "rebound.existence.inverse_sizes",
        [33],
        ["33 negative", "negative holds 32"],
    ),
    "no texts to pre-train on": ("tasks.reviews.splits.pretraining", 0, ["models.nano", "splits.pretraining", "is 0"]),
    "no texts for slices": ("tasks.reviews.splits.resistance", 0, ["resistance.slices", "splits.resistance", "is 0"]),
    "slices that are no checkpoints": (
        "resistance.slices.slices.batch_size",
        3,
        ["resistance.slices.slices", "batch_size (3)", "splits.resistance (8)"],
    ),
    "mistyped width": ("models.nano.hidden_size", 10**12, ["models.nano: about", "more than any model has", "lower"]),
    "late checkpoint": ("models.nano.checkpoints", [6], ["models.nano", "before the last update (6)"]),
    "two models of one name": (
        "models.nano-step3",
        {"kind": "folder", "path": "models/given"},
        ["nano-step3", "nano"],
    ),
    "heads that do not divide": ("models.nano.heads", 3, ["models.nano", "multiple of twice", "(6)"]),
    "bounds of prompts": ("tasks.reviews.prompts.max_tokens", 1, ["tasks.reviews.prompts", "larger than max_tokens"]),
    "sequences without a target": ("alignment.max_length", 1, ["alignment.max_length", "2"]),
    "one label for both sides": (
        "tasks.reviews.source.fields",
        {"negative": 1},
        ["tasks.reviews.source.fields", "same label (1)"],
    ),
    "unknown source": ("tasks.reviews.source.kind", "web", ["tasks.reviews.source", "'web'", "'hub'", "'package'"]),
    "unknown format": ("tasks.reviews.source.format", "alpacca", ["source.format", "'alpacca'", "available: alpaca, "]),
    "fields beside a format": (
        "tasks.reviews.source",
        {"kind": "file", "path": "r.csv", "format": "imdb", "fields": {"response": "body"}},
        ["tasks.reviews.source", "leave out format or fields"],
    ),
    "unknown key of an optional section": (
        "inverse.lora",
        {"rnk": 4},
        ["inverse.lora.rnk: unknown key", "did you mean 'rank'?"],
    ),
    "no prompts": ("tasks.reviews.prompts", None, ["tasks.reviews.splits.prompts is 6", "say in `prompts` how"]),
    "another source beside texts": (
        "tasks.reviews.source",
        {
            "kind": "sides",
            "positive": {"kind": "file", "path": "r.csv", "format": "alpaca"},
            "negative": {"kind": "movie-reviews"},
        },
        ["tasks.reviews.source", "the positive examples have prompts, the negative ones are texts"],
    ),
    "a mistake in one of two sources": (
        "tasks.reviews.source",
        {
            "kind": "sides",
            "positive": {"kind": "file", "path": "r.csv", "row": 3},
            "negative": {"kind": "movie-reviews"},
        },
        ["tasks.reviews.source.positive.row: unknown key", "did you mean 'rows'?"],
    ),
    "half a checksum": (
        "tasks.reviews.source.sha256",
        "0123",
        ["tasks.reviews.source.sha256: String should match pattern '^[0-9a-f]{64}$'", '"0123"'],
    ),
    "archive without a checksum": (
        "tasks.reviews.source",
        {"kind": "archive", "url": "https://example.org/a.zip", "path": "r.csv"},
        ["tasks.reviews.source.sha256: is missing"],
    ),
    "prompts that the data lack": ("tasks.reviews.prompts", {"kind": "questions"}, ["tasks.reviews.prompts.kind"]),
    "sides that the data lack": ("tasks.reviews.splits.neutral", 2, ["tasks.reviews.splits: neutral takes neutral"]),
    "no texts for a score model": (
        "tasks.reviews.splits.score_model",
        0,
        ["tasks.reviews.score_model", "tasks.reviews.splits.score_model", "is 0"],
    ),
    "twins without room for a response": (
        "resistance.slices.tuning.max_length",
        9,
        ["resistance.slices.tuning.max_length is 9", "tasks.reviews takes up to 9 tokens", "prompts.max_tokens"],
    ),
    "no room for the responses of ppo": (
        "inverse.algorithm",
        {"kind": "ppo", "new_tokens": 8},
        ["inverse_recipe.max_length is 16", "takes up to 9 tokens", "a response 8 or more", "raise max_length to 17"],
    ),
    "null": ("sampling", None, ["sampling", "null"]),
}


@pytest.mark.parametrize(("place", "value", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_place_and_value(values: Values, place: str, value: Any, words: list[str]) -> None:
    put(values, place, value)
    message = complaint(values)
    assert message.startswith("study.yaml cannot be run:\n  - ")
    assert message.endswith("Correct it and run the same command again.")
    assert [word for word in words if word not in message] == []


def talk(values: Values, max_tokens: int) -> None:
    """Make the examples of the task responses to questions."""
    task = values["tasks"]["reviews"]
    task["source"] |= {"format": "pku-saferlhf-pairs"}
    task["prompts"] = {"kind": "questions", "max_tokens": max_tokens}


@pytest.mark.parametrize("where", ["alignment", "inverse", "resistance.slices.slices", "models.warm.tuning"])
def test_max_length_must_leave_room_for_prompts_and_responses(values: Values, where: str) -> None:
    tuning = {"learning_rate": 1e-3, "batch_size": 4, "max_length": 16}
    warm = {"kind": "tuned", "base": "nano", "task": "reviews", "side": "positive", "examples": 8, "tuning": tuning}
    values["models"]["warm"] = warm
    talk(values, max_tokens=14)
    read_study(values)
    put(values, f"{where}.max_length", 15)
    assert "max_length is 15, but a prompt of tasks.reviews takes up to 15 tokens" in complaint(values)


def test_max_length_must_leave_room_for_questions_of_another_task(values: Values) -> None:
    values["tasks"]["general"] = {
        "source": {"kind": "file", "path": "q.jsonl", "format": "self-instruct"},
        "splits": {"sides": ["neutral"], "prompts": 4},
        "prompts": {"kind": "questions", "max_tokens": 24},
    }
    values["resistance"]["slices"]["questions"] = "general"
    assert "resistance.slices.tuning.max_length is 24, but a prompt of tasks.general takes up to 25" in complaint(
        values
    )
    values["resistance"]["slices"]["tuning"]["max_length"] = 26
    read_study(values)


def test_the_split_of_the_opposite_side_limits_the_inverse_sizes(values: Values) -> None:
    values["rebound"]["existence"] |= {"direction": "reversed", "alignment_sizes": [8], "inverse_sizes": [0, 40]}
    assert read_study(values).rebound["existence"].inverse_sizes == (0, 40)
    values["rebound"]["existence"]["alignment_sizes"] = [33]
    assert "33 negative" in complaint(values)


def test_divergences_are_not_measured_on_contrasted_responses(values: Values) -> None:
    values["rebound"]["existence"]["divergence"] = True
    read_study(values)
    values["sampling"]["contrast"] = {"strength": 1.0}
    assert "rebound.existence.divergence is measured on responses that are sampled from one model" in complaint(values)


def test_a_rebound_without_a_score_model_can_only_measure_compression_rates(unscored: Values) -> None:
    values = unscored
    assert read_study(values).tasks["reviews"].prompts is None
    values["rebound"]["existence"]["compression"] = False
    assert "rebound.existence needs tasks.reviews.score_model, which is not given; without scores" in complaint(values)
    values["rebound"]["existence"] |= {"compression": True, "divergence": True}
    assert "rebound.existence.divergence is measured on the responses that are scored" in complaint(values)
    values["rebound"]["existence"]["divergence"] = False
    values["inverse"]["algorithm"] = {"kind": "ppo", "new_tokens": 4}
    assert "rebound.existence.inverse_recipe: ppo takes its reward from tasks.reviews.score_model" in complaint(values)


@pytest.mark.parametrize("place", ["seeds", "tasks.reviews.splits", "models.nano.layers", "models.given.path"])
def test_a_missing_key_is_named(values: Values, place: str) -> None:
    section: Any = values
    *parents, last = place.split(".")
    for parent in parents:
        section = section[parent]
    del section[last]
    assert f"  - {place}: is missing\n" in complaint(values)


def test_all_mistakes_of_types_are_reported_at_once(values: Values) -> None:
    values["sede"] = 1
    values["alignment"]["learning_rate"] = "1e-5"
    del values["models"]["nano"]["layers"]
    lines = [line for line in complaint(values).splitlines() if line.startswith("  - ")]
    assert [line.split(":")[0] for line in sorted(lines)] == [
        "  - alignment.learning_rate",
        "  - models.nano.layers",
        "  - sede",
    ]


@pytest.mark.parametrize("name", ["movie-reviews", "file"])
def test_a_task_that_is_named_like_a_kind_keeps_its_place_in_messages(values: Values, name: str) -> None:
    values["tasks"][name] = values["tasks"]["reviews"] | {"prompts": {"kind": "beginnings"}}
    assert f"tasks.{name}.prompts.tokenizer: is missing" in complaint(values)


# Files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_study_file_may_begin_with_a_byte_order_mark(tmp_path: Path, values: Values, encoding: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(values), encoding=encoding)
    assert read_study_file(path) == read_study(values)


def test_paths_of_studies_may_contain_spaces(tmp_path: Path, values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my studies"
    folder.mkdir()
    (folder / "the base.yaml").write_text(yaml.safe_dump(values))
    (folder / "my own.yaml").write_text("extends: my studies/the base.yaml\nname: own\n")
    assert read_study_file(folder / "my own.yaml") == read_study(values | {"name": "own"})


# Extends


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: Values) -> Path:
    """The current folder, which contains the study as base.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_a_study_takes_the_sections_that_it_does_not_give(folder: Path, values: Values) -> None:
    study = read_study({"extends": "base.yaml", "name": "other", "seeds": [7]})
    assert study == read_study(values | {"name": "other", "seeds": [7]})


def test_a_section_is_replaced_whole(folder: Path) -> None:
    message = complaint({"extends": "base.yaml", "name": "mine", "alignment": {"learning_rate": 1.0}})
    assert "alignment.batch_size: is missing" in message
    study = read_study({"extends": "base.yaml", "name": "mine", "rebound": {}})
    assert study.rebound == {}


def test_studies_can_extend_each_other_in_a_chain(folder: Path) -> None:
    (folder / "middle.yaml").write_text("extends: base.yaml\nname: middle\nseeds: [3]\n")
    study = read_study({"extends": "middle.yaml", "name": "top"})
    assert (study.name, study.seeds) == ("top", (3,))


@pytest.mark.parametrize(("a", "b"), [("a.yaml", "b.yaml"), ("b.yaml", "a.yaml")])
def test_a_study_that_extends_itself_is_an_error(folder: Path, a: str, b: str) -> None:
    (folder / "a.yaml").write_text(f"extends: {a}\n")
    (folder / "b.yaml").write_text(f"extends: {b}\n")
    with pytest.raises(UserError, match=r"extends: [ab]\.yaml extends itself"):
        read_study_file(Path("a.yaml"))


BAD_FILES = {
    "absent": (None, "no.yaml does not exist"),
    "not YAML": ("name: [", "no.yaml is not valid YAML"),
    "a list": ("- name", "no.yaml must hold keys and values, not list"),
    "empty": ("", "no.yaml must hold keys and values, not NoneType"),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_to_extend_must_be_a_study(folder: Path, content: str | None, words: str) -> None:
    if content is not None:
        (folder / "no.yaml").write_text(content)
    with pytest.raises(UserError, match=words):
        read_study({"extends": "no.yaml"})


@pytest.mark.parametrize("base", [["base.yaml"], 3, True], ids=str)
def test_extends_takes_one_path(folder: Path, base: object) -> None:
    with pytest.raises(UserError, match="extends"):
        read_study({"extends": base})


def test_a_study_that_extends_another_needs_its_own_name(folder: Path) -> None:
    with pytest.raises(UserError, match="needs a name of its own"):
        read_study({"extends": "base.yaml", "seeds": [7]})


# Keys that are given twice


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", r"study\.yaml: key 'a' is given twice, in lines 1 and 3: leave one of them out"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", r"key 'b' is given twice, in lines 2 and 4"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_with_both_lines(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UserError, match=found):
        read_mapping(tmp_path / "study.yaml")


def test_keys_that_are_merged_in_may_be_given_again(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert read_mapping(tmp_path / "study.yaml")["b"] == {"x": 1, "y": 3}
