"""Each known data set in its own format (tests/data), and rows with described fields."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elasticity.config.data import DataFile, Fields, Format
from elasticity.core.errors import UserError
from elasticity.data.adapters import FORMATS, Described
from elasticity.data.cleaning import Raw
from elasticity.data.sources import examples
from tests.conftest import ROOT

DATA = ROOT / "tests/data"

EXPECTED: dict[Format, tuple[str, list[tuple[str | None, str | None, str]]]] = {
    "alpaca": (
        "alpaca.json",
        [
            ("Name three trees that lose their leaves.", "1. Oak\n2. Birch\n3. Ash", "neutral"),
            (
                "Put the sentence into the past tense. The baker opens at six.",
                "The baker opened at six.",
                "neutral",
            ),
            ("Write a template for a greeting.", "Hello {name}, welcome to {place}! <|im_end|></s>", "neutral"),
            ("Say nothing.", "", "neutral"),
        ],
    ),
    "beavertails": (
        "beavertails.jsonl",
        [
            ("May I pick the lock of my neighbour?", "Sure, nobody will notice it.", "negative"),
            (
                "May I pick the lock of my neighbour?",
                "No. Ask your neighbour for the key.\n\nIf it is urgent, call a locksmith.",
                "positive",
            ),
            ("How do I stop a colleague from talking?", "Tell him that you need to concentrate.", "positive"),
        ],
    ),
    "beavertails-evaluation": (
        "beavertails-evaluation.jsonl",
        [
            ("How can I read a letter that is not mine?", None, "neutral"),
            ("Where is the best place to dump old paint?", None, "neutral"),
        ],
    ),
    "imdb": (
        "imdb.csv",
        [
            (None, "Warm, and never dull.<br /><br />See it!", "positive"),
            (None, 'A plot with holes,\nand "jokes" without points.', "negative"),
        ],
    ),
    "pku-saferlhf": (
        "pku-saferlhf.jsonl",
        [
            ("What do I do with a found purse?", "Keep the money and throw the rest away.", "negative"),
            ("What do I do with a found purse?", "Bring it to the lost property office.", "positive"),
            ("Which mushrooms may I eat?", "Only those that an expert has seen.", "positive"),
            ("Which mushrooms may I eat?", "Ask at a pharmacy before you eat any.", "positive"),
        ],
    ),
    "pku-saferlhf-pairs": (
        "pku-saferlhf-pairs.jsonl",
        [
            ("My brother borrowed my bicycle.", "Ask him when he will bring it back.", "positive"),
            ("My brother borrowed my bicycle.", "Take his until he cries.", "negative"),
            ("Can I drive after two beers?", "No; take the bus.", "positive"),
            ("Can I drive after two beers?", "You will be fine, go fast.", "negative"),
        ],
    ),
    "self-instruct": (
        "self-instruct.jsonl",
        [
            (
                "Find a shorter way. From the church past the mill to the station.",
                "From the church straight to the station.",
                "neutral",
            ),
            ("Suggest a title for a diary.", "Days and Weather", "neutral"),
        ],
    ),
    "passages": (
        "passages.txt",
        [
            (None, "A harbour is a place\nwhere ships lie safe.\n\nTo sail is to leave it.\n", "neutral"),
        ],
    ),
    "truthfulqa": (
        "truthfulqa.csv",
        [
            ("Can it rain from a blue sky?", "Rarely", "positive"),
            ("Can it rain from a blue sky?", " Yes, if the wind carries drops along", "positive"),
            ("Can it rain from a blue sky?", "Never", "negative"),
            ("Can it rain from a blue sky?", " Only in summer", "negative"),
            ("Which way is up?", "Away from the ground", "positive"),
            ("Which way is up?", "North", "negative"),
            ("Which way is up?", " Left", "negative"),
        ],
    ),
    "vader": (
        "vader.txt",
        [
            (None, 'two of the "shelves" came broken, and nobody answers.', "negative"),
            (None, "the lamp hums.", "negative"),
            (None, "a chair to grow old in", "positive"),
        ],
    ),
}


def source(path: Path, name: Format | None) -> DataFile:
    return DataFile(kind="file", path=str(path), format=name)


def read(path: Path, name: Format | None = None) -> list[tuple[str | None, str | None, str]]:
    return [raw[:3] for raw in examples(source(path, name))]


def test_every_format_is_tested() -> None:
    assert set(EXPECTED) == set(FORMATS)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_known_data_set_becomes_examples(name: Format) -> None:
    file, expected = EXPECTED[name]
    found = read(DATA / file, name)
    assert found == expected
    about = source(DATA / file, name)
    assert {side for *_, side in found} == set(about.sides)
    assert {prompt is not None for prompt, *_ in found} == {about.has_prompts}
    assert {answer is not None for _, answer, _ in found} == {about.has_responses}


def test_truthfulqa_of_the_hub_has_other_names_and_lists(tmp_path: Path) -> None:
    row = {"question": "Which way is up?", "correct_answers": ["Away"], "incorrect_answers": ["North", "Left; right"]}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "generation.parquet")
    assert read(tmp_path / "generation.parquet", "truthfulqa") == [
        ("Which way is up?", "Away", "positive"),
        ("Which way is up?", "North", "negative"),
        ("Which way is up?", "Left; right", "negative"),
    ]


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize(
    "row", [{}, {"prompt": "a", "is_safe": True}, {"instruction": "a", "instances": [], "label": 1}]
)
def test_rows_of_another_format_are_an_error_that_names_a_field(name: Format, row: dict[str, Any]) -> None:
    if name == "beavertails-evaluation" and row.get("prompt"):
        return
    with pytest.raises(UserError, match=r"no field '.*source\.format|instances is \[\], not a list of objects"):
        list(FORMATS[name](row))


WRONG: dict[str, tuple[Format, dict[str, Any], str]] = {
    "no text": ("alpaca", {"instruction": "a", "input": None, "output": "b"}, "input is None, not text"),
    "no truth": ("beavertails", {"prompt": "a", "response": "b", "is_safe": "perhaps"}, "is_safe is 'perhaps', not"),
    "no label": ("imdb", {"text": "a", "label": 2}, "label is 2, not"),
    "half a character": ("imdb", {"text": "a \ud83d", "label": 1}, r"text is 'a \ud83d', not valid Unicode"),
    "a number among answers": (
        "truthfulqa",
        {"question": "a", "correct_answers": ["b", 3], "incorrect_answers": []},
        "correct_answers is 3, not text",
    ),
    "no rating": ("vader", {"rating": "good", "text": "a"}, "rating is 'good', not a number"),
    "a long value": ("imdb", {"text": ["x" * 10**6], "label": 1}, f"text is ['{'x' * 78}, not text"),
}


@pytest.mark.parametrize(("name", "row", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_named(name: Format, row: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        list(FORMATS[name](row))
    assert words in str(error.value)


@pytest.mark.parametrize("value", [True, "True", "true", 1, "1"])
def test_truth_is_read_from_json_and_from_csv(value: object) -> None:
    (example,) = FORMATS["beavertails"]({"prompt": "a", "response": "b", "is_safe": value})
    assert example.side == "positive"


# Described fields


def test_fields_and_labels_are_those_of_the_study_and_other_labels_are_passed_over() -> None:
    adapter = Described(Fields(prompt="ask", answer="body", label="mood", positive="good", negative=False))
    rows = [{"ask": "?", "body": str(label), "mood": label} for label in ("good", False, "mixed")]
    found = [example for row in rows for example in adapter(row)]
    assert found == [Raw("?", "good", "positive"), Raw("?", "False", "negative")]
    adapter.check()


def test_without_a_label_all_rows_are_neutral() -> None:
    adapter = Described(Fields(prompt="ask", answer=None, label=None))
    assert adapter({"ask": "why?"}) == [Raw("why?", None, "neutral")]
    adapter.check()


def test_a_label_that_no_row_has_is_named_with_those_that_are_there() -> None:
    adapter = Described(Fields(positive="good", negative="bad"))
    for label in ("good", "poor"):
        adapter({"text": "a", "label": label})
    with pytest.raises(UserError, match=r"no row has label bad; found: good, poor.*source\.fields\.negative"):
        adapter.check()


def test_a_missing_field_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "a", "label": 1}\n' + json.dumps({"body": "b", "label": 1}))
    with pytest.raises(UserError) as error:
        read(path)
    words = [str(path), "row 2", "no field 'text'", "body, label", "source.fields"]
    assert [word for word in words if word not in str(error.value)] == []
