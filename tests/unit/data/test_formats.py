"""Every data format on a small file in it (tests/data), the registry of formats, and rows with described fields."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elasticity.config.data import DataFile, Fields, MovieReviews, TwoSides, format_modules
from elasticity.config.formats import FORMATS
from elasticity.config.schema import schema
from elasticity.core.code_digest import code_digest
from elasticity.core.errors import UserError
from elasticity.data import formats
from elasticity.data.cleaning import Raw
from elasticity.data.described import Described
from elasticity.data.rows import PassedOverError
from elasticity.data.sources import examples
from tests.conftest import ROOT

DATA = ROOT / "tests/data"

EXPECTED: dict[str, tuple[str, list[tuple[str | None, str | None, str]]]] = {
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
    "messages": (
        "messages.jsonl",
        [
            ("When does the ferry leave?", "At noon.", "neutral"),
            ("Human: Name a tree.\n\nAssistant: Oak.\n\nHuman: Another?\n\nAssistant:", "Ash.", "neutral"),
        ],
    ),
    "preference": (
        "preference.jsonl",
        [
            ("System: Be brief.\n\nHuman: May I feed the ducks?\n\nAssistant:", "Yes, but no bread.", "positive"),
            ("System: Be brief.\n\nHuman: May I feed the ducks?\n\nAssistant:", "Throw them a loaf.", "negative"),
            ("Is the ice thick enough?", "Ask the lake warden.", "positive"),
            ("Is the ice thick enough?", "Jump and see.", "negative"),
            ("Who rings the bell?", "The sexton does.", "positive"),
            ("Who rings the bell?", "Nobody you know.", "negative"),
            (
                "Human: Where is the key?\n\nAssistant: Which one?\n\nHuman: That of the cellar.\n\nAssistant:",
                "Under the mat.",
                "positive",
            ),
            (
                "Human: Where is the key?\n\nAssistant: Which one?\n\nHuman: That of the cellar.\n\nAssistant:",
                "Break the door.",
                "negative",
            ),
        ],
    ),
    "prompt-completion": (
        "prompt-completion.jsonl",
        [("The mill stands", " by the brook.", "neutral"), ("Where is the mill?", "By the brook.", "neutral")],
    ),
    "prompt-completion-label": (
        "prompt-completion-label.jsonl",
        [
            ("May I keep a found coat?", "Bring it to the police.", "positive"),
            ("May I keep a found hat?", "Wear it.", "negative"),
        ],
    ),
    "sharegpt": (
        "sharegpt.jsonl",
        [("What floats?", "Cork.", "neutral"), ("And what sinks?", "Lead.", "neutral")],
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


def source(path: Path, name: str | None) -> DataFile:
    return DataFile(kind="file", path=str(path), format=name)


def read(path: Path, name: str | None = None) -> list[tuple[str | None, str | None, str]]:
    return [raw[:3] for raw in examples(source(path, name))]


def test_every_format_is_tested() -> None:
    assert set(EXPECTED) == set(FORMATS.names())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_known_data_set_becomes_examples(name: str) -> None:
    file, expected = EXPECTED[name]
    found = read(DATA / file, name)
    assert found == expected
    about = source(DATA / file, name)
    assert {side for *_, side in found} == set(about.sides)
    assert {prompt is not None for prompt, *_ in found} == {about.has_prompts}
    assert {response is not None for _, response, _ in found} == {about.has_responses}


def test_truthfulqa_of_the_hub_has_other_names_and_lists(tmp_path: Path) -> None:
    row = {"question": "Which way is up?", "correct_answers": ["Away"], "incorrect_answers": ["North", "Left; right"]}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "generation.parquet")
    assert read(tmp_path / "generation.parquet", "truthfulqa") == [
        ("Which way is up?", "Away", "positive"),
        ("Which way is up?", "North", "negative"),
        ("Which way is up?", "Left; right", "negative"),
    ]


@pytest.mark.parametrize("name", FORMATS.names())
@pytest.mark.parametrize(
    "row", [{}, {"prompt": "a", "is_safe": True}, {"instruction": "a", "instances": [], "label": 1}]
)
def test_rows_of_another_format_are_an_error_that_names_a_field(name: str, row: dict[str, Any]) -> None:
    if name == "beavertails-evaluation" and row.get("prompt"):
        return
    with pytest.raises(UserError, match=r"no field '.*source\.format|instances is \[\], not a list of objects"):
        list(FORMATS[name].examples(row))


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no text": ("alpaca", {"instruction": "a", "input": 3, "output": "b"}, "input is 3, not text"),
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
def test_a_wrong_value_is_named(name: str, row: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        list(FORMATS[name].examples(row))
    assert words in str(error.value)


@pytest.mark.parametrize("value", [True, "True", "true", 1, "1"])
def test_truth_is_read_from_json_and_from_csv(value: object) -> None:
    (example,) = FORMATS["beavertails"].examples({"prompt": "a", "response": "b", "is_safe": value})
    assert example.side == "positive"


# The registry


@pytest.fixture
def add_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write a module of this name into a folder outside the library that is part of the package of formats."""
    FORMATS.names()
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    monkeypatch.setattr(FORMATS, "_entries", FORMATS._entries.copy())
    monkeypatch.setattr(FORMATS, "_modules", FORMATS._modules.copy())

    def add(module: str, code: str) -> None:
        (tmp_path / f"{module}.py").write_text(code)
        monkeypatch.delitem(sys.modules, f"elasticity.data.formats.{module}", raising=False)
        monkeypatch.setattr(FORMATS, "_loaded", False)

    return add


def guide_example() -> str:
    """The file that docs/extending.md shows for a data format."""
    section = (ROOT / "docs/extending.md").read_text().partition("## A data format\n")[2].partition("\n## ")[0]
    return section.partition("```python\n")[2].partition("```")[0]


def test_a_format_is_added_by_one_file(add_format: Callable[[str, str], None], tmp_path: Path) -> None:
    """The example of the guide is complete, short and right."""
    code = guide_example()
    assert 0 < len(code.splitlines()) < 50
    add_format("good_bad", code)
    rows = [{"question": "Why?", "good_reply": "Because.", "bad_reply": "Go away."}, {"question": "How?"}]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:1]))
    about = source(tmp_path / "r.jsonl", "good-bad")
    assert read(tmp_path / "r.jsonl", "good-bad") == [
        ("Why?", "Because.", "positive"),
        ("Why?", "Go away.", "negative"),
    ]
    assert (about.sides, about.has_prompts, about.has_responses) == (("positive", "negative"), True, True)
    assert format_modules(about) == ("elasticity.data.formats.good_bad",)
    assert '"good-bad"' in schema()
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"r\.jsonl, row 2: no field 'good_reply'; its fields: question"):
        read(tmp_path / "r.jsonl", "good-bad")


def test_two_modules_cannot_register_the_same_format(add_format: Callable[[str, str], None]) -> None:
    add_format("other_reviews", guide_example().replace('"good-bad"', '"imdb"'))
    with pytest.raises(ValueError, match=r"'imdb' is registered by elasticity\.data\.formats\.imdb and by .*other_rev"):
        FORMATS.names()


def test_an_unknown_format_is_an_error_with_all_known_names() -> None:
    with pytest.raises(ValueError, match="there is no data format") as error:
        source(Path("r.csv"), "alpacca")
    assert [name for name in FORMATS.names() if name not in str(error.value)] == []


def test_the_code_of_a_job_that_reads_a_format_includes_its_module_only() -> None:
    reviews, texts = MovieReviews(kind="movie-reviews"), source(Path("t.txt"), "passages")
    assert format_modules(source(Path("r.csv"), None)) == ()
    assert format_modules(texts) == ("elasticity.data.formats.passages",)
    both = format_modules(TwoSides(kind="sides", positive=reviews, negative=texts))
    assert both == ("elasticity.data.formats.imdb", "elasticity.data.formats.passages")
    digests = {code_digest("fetch_data.py", *modules) for modules in ((), format_modules(texts), both)}
    assert len(digests) == 3


def test_reading_the_names_of_formats_imports_no_large_library() -> None:
    code = (
        "import sys; from elasticity.config.formats import FORMATS; FORMATS.names(); "
        "print({'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules))"
    )
    environment = {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Described fields


def test_fields_and_labels_are_those_of_the_study_and_other_labels_are_passed_over() -> None:
    described = Described(Fields(prompt="ask", response="body", label="mood", positive="good", negative=False))
    rows = [{"ask": "?", "body": str(label), "mood": label} for label in ("good", False, "mixed")]
    found = [example for row in rows[:2] for example in described(row)]
    assert found == [Raw("?", "good", "positive"), Raw("?", "False", "negative")]
    with pytest.raises(PassedOverError, match="mood 'mixed'"):
        described(rows[2])
    described.check()


def test_without_a_label_all_rows_are_neutral() -> None:
    described = Described(Fields(prompt="ask", response=None, label=None))
    assert described({"ask": "why?"}) == [Raw("why?", None, "neutral")]
    described.check()


def test_a_label_that_no_row_has_is_named_with_those_that_are_there() -> None:
    described = Described(Fields(positive="good", negative="bad"))
    described({"text": "a", "label": "good"})
    for _ in range(2):
        with pytest.raises(PassedOverError):
            described({"text": "a", "label": "Bad "})
    with pytest.raises(UserError, match=r"no row has label bad; found: 'Bad ' \(2 rows\), good \(1 rows\).*negative"):
        described.check()


def test_a_missing_field_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"text": "a", "label": 1}\n' + json.dumps({"body": "b", "label": 1}))
    with pytest.raises(UserError) as error:
        read(path)
    words = [str(path), "row 2", "no field 'text'", "body, label", "source.fields"]
    assert [word for word in words if word not in str(error.value)] == []
