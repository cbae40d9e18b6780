"""What is understood of data that nobody described."""

import json
from pathlib import Path
from typing import Any

import pytest

from elasticity.config.data import DataFile, Fields
from elasticity.core.errors import UserError
from elasticity.data.inspection import LOOKED_AT, Inspection, inspect
from tests.unit.data.test_formats import EXPECTED

DATA = Path(__file__).parents[2] / "data"


def look(path: Path) -> Inspection:
    return inspect(DataFile(kind="file", path=str(path)))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "r.jsonl"


def write(path: Path, *rows: dict[str, Any]) -> Inspection:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return look(path)


@pytest.mark.parametrize("name", [name for name in EXPECTED if EXPECTED[name][0].endswith((".jsonl", ".json", ".csv"))])
def test_known_formats_are_recognised(name: str) -> None:
    file, expected = EXPECTED[name]
    found = look(DATA / file)
    assert (found.format, found.fields) == (name, None)
    sides = dict.fromkeys(side for *_, side in expected)
    assert {side: raw[:2] for side, raw in found.example.items()} == {
        side: next(raw[:2] for raw in expected if raw[2] == side) for side in sides
    }
    assert {side: found.labels[side] for side in sides} == {
        side: sum(raw[2] == side for raw in expected) for side in sides
    }


def test_plain_text_is_passages() -> None:
    assert look(DATA / "passages.txt").format == "passages"


CASES: dict[str, tuple[list[dict[str, Any]], Fields]] = {
    "texts with named labels": (
        [{"id": f"r{i}", "review": f"It was {i} times fine.", "mood": "Neg" if i % 2 else "pos"} for i in range(8)],
        Fields(response="review", label="mood", positive="pos", negative="Neg"),
    ),
    "a scale": (
        [{"body": f"Film {i}, long.", "stars": 1 + i % 5} for i in range(20)],
        Fields(response="body", label="stars", positive=(4, 5), negative=(1, 2)),
    ),
    "truth values beside questions": (
        [{"q": f"What is {i}?", "a": f"{-i}", "ok": i % 2 == 0} for i in range(8)],
        Fields(prompt="q", response="a", label="ok", positive=True, negative=False),
    ),
    "spellings": (
        [{"sentence": f"So {i}.", "label": ("pos", "Pos ", "neg", "NEG")[i % 4]} for i in range(16)],
        Fields(response="sentence", positive=("pos", "Pos "), negative=("neg", "NEG")),
    ),
    "no labels": (
        [{"question": f"Why {i}?", "answer": f"Because {i}."} for i in range(4)],
        Fields(prompt="question", response="answer", label=None),
    ),
    "fields in fields": (
        [{"review": {"body": f"Film {i}, long.", "language": "en"}, "rating": 1.0 + i % 5} for i in range(20)],
        Fields(response="review.body", label="rating", positive=(4.0, 5.0), negative=(1.0, 2.0)),
    ),
    "labels of a form of one side": (
        [{"prompt": f"Why {i}?", "completion": f"So {i}.", "label": ("bad", "good")[i % 2]} for i in range(8)],
        Fields(prompt="prompt", response="completion", positive="good", negative="bad"),
    ),
    "-1 and 1": (
        [{"text": f"Film {i}.", "label": (-1, 1)[i % 2]} for i in range(8)],
        Fields(positive=1, negative=-1),
    ),
    "a prompt that is longer": (
        [{"question": f"What would you say of film {i}?", "body": f"{i}.", "label": i % 2} for i in range(8)],
        Fields(response="body", label="label"),
    ),
    "labels that do not tell": (
        [{"tweet": f"Word {i}.", "label": ("joy", "anger")[i % 2]} for i in range(8)],
        Fields(response="tweet", label=None),
    ),
}


@pytest.mark.parametrize(("rows", "fields"), CASES.values(), ids=CASES)
def test_fields_are_guessed(written: Path, rows: list[dict[str, Any]], fields: Fields) -> None:
    found = write(written, *rows)
    assert (found.format, found.fields, found.rows) == (None, fields, len(rows))
    assert set(found.example) == ({"positive", "negative"} if fields.label else {"neutral"})
    assert any("fields.label" in reason for reason in found.reasons)


def test_labels_that_do_not_tell_are_listed(written: Path) -> None:
    found = write(written, *CASES["labels that do not tell"][0])
    assert found.labels == {"'joy'": 4, "'anger'": 4}
    assert any("which values of label" in reason for reason in found.reasons)


def test_fields_that_are_not_read_are_named(written: Path) -> None:
    assert (
        "fields that are not read: 'title', 'year'"
        in write(
            written, *({"title": f"T{i}", "text": f"{i}.", "label": i % 2, "year": 2000} for i in range(8))
        ).reasons
    )


QUESTION = {"role": "user", "content": "Why?"}
NOT_QUITE: dict[str, tuple[dict[str, Any], str]] = {
    "a role that nobody knows": (
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "Claude", "value": "So."}]},
        "format sharegpt does not fit: a turn of the role 'Claude': 4",
    ),
    "transcripts with other roles": (
        {"chosen": "Q: Why?\n\nA: So.", "rejected": "Q: Why?\n\nA: No."},
        "format preference does not fit: no answer in the conversation: 4",
    ),
    "lists of texts": (
        {"prompt": "Why?", "chosen": ["So."], "rejected": ["No."]},
        "format preference does not fit: row 1: chosen is 'So.', not a list of messages",
    ),
}


@pytest.mark.parametrize(("row", "words"), NOT_QUITE.values(), ids=NOT_QUITE)
def test_a_format_that_nearly_fits_is_named_with_what_is_wrong(written: Path, row: dict[str, Any], words: str) -> None:
    assert any(words in reason for reason in write(written, *[row] * 4).reasons)


def test_prompts_beside_lists_are_not_taken_for_the_texts(written: Path) -> None:
    rows = [{"question": f"Why {i}?", "answers": [f"So {i}.", "No."], "good": i % 2} for i in range(8)]
    found = write(written, *rows)
    assert found.fields is None
    assert found.reasons[0].endswith(
        "question seems to be a prompt, and answers to be lists: name an element of one, such as answers.0"
    )


def test_rows_without_texts_are_described(written: Path) -> None:
    found = write(written, {"data": [{"text": "So."}], "version": 1, "licence": "free"})
    assert found.reasons[0].endswith("and no field holds text: data (list), version (int), licence (equal texts)")


def test_a_row_that_cannot_be_read_is_named(written: Path) -> None:
    rows = [{"text": f"{i}.", "label": ("good", "bad")[i % 2]} for i in range(8)]
    with pytest.raises(UserError, match=r"row 9 of the data: text is 'bad \\ud83d', not valid Unicode text"):
        write(written, *rows, {"text": "bad \ud83d", "label": "good"})
    with pytest.raises(UserError, match="row 9 of the data: no field 'text'; its fields: body, label"):
        write(written, *rows, {"body": "So.", "label": "good"})


def test_a_csv_file_without_a_header_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("".join(f"It was a film of {i} long hours.,{i % 2}\n" for i in range(8)))
    with pytest.raises(
        UserError, match=r"first line of .*r\.csv seems to be a row of data \(It was .*put a line of names"
    ):
        look(file)
    file.write_text("0,1\n" + file.read_text())  # the numbers of columns
    assert look(file).fields == Fields(response="0", label="1", positive="1", negative="0")


def test_only_the_first_rows_are_read(written: Path) -> None:
    rows = [json.dumps({"text": f"{i}.", "label": i % 2}) for i in range(LOOKED_AT)]
    written.write_text("\n".join([*rows, "no JSON"]))
    assert look(written).rows == LOOKED_AT


def test_without_rows_or_texts_there_is_nothing_to_guess(written: Path) -> None:
    with pytest.raises(UserError, match="holds no rows"):
        write(written)
    with pytest.raises(UserError, match=r"r\.jsonl holds no rows"):
        look(written)
    found = write(written, {"x": 1}, {"x": 2})
    assert (found.format, found.fields) == (None, None)
