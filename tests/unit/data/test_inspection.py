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


def test_only_the_first_rows_are_read(written: Path) -> None:
    rows = [json.dumps({"text": f"{i}.", "label": i % 2}) for i in range(LOOKED_AT)]
    written.write_text("\n".join([*rows, "no JSON"]))
    assert look(written).rows == LOOKED_AT


def test_without_rows_or_texts_there_is_nothing_to_guess(written: Path) -> None:
    with pytest.raises(UserError, match="holds no rows"):
        write(written)
    found = write(written, {"x": 1}, {"x": 2})
    assert (found.format, found.fields) == (None, None)
