"""Parquet tables: what is written is read again, and damaged files are errors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.core.errors import UserError
from elasticity.core.tables import BATCH, read_rows, rows_in_batches, write_table
from elasticity.data.schemas import PROMPTS
from elasticity.evaluation.schemas import RESPONSES, SCORES

WORDS = st.text(st.characters(exclude_categories=["Cs"]))
TOKENS = st.lists(st.integers(0, 2**31 - 1))
CELLS = st.just(dict.fromkeys(RESPONSES.names[:10])) | st.fixed_dictionaries(
    {
        "base": WORDS,
        "alignment_side": WORDS,
        "alignment_recipe": WORDS,
        "inverse_recipe": WORDS,
        "seed": st.integers(0, 9),
        "alignment_size": st.integers(0, 9),
        "inverse_size": st.integers(0, 9),
        "realignment_size": st.none() | st.integers(0, 9),
        "realignment_recipe": st.none() | WORDS,
        "draw": st.integers(0, 9),
    }
)
RESPONSE = st.fixed_dictionaries(
    {
        "prompt_id": WORDS,
        "prompt": WORDS,
        "response": WORDS,
        "prompt_tokens": TOKENS,
        "response_tokens": TOKENS,
        "stop_token": st.none() | st.integers(0, 2**31 - 1),
    }
)
ROWS = [{"prompt_id": "p1", "prompt": "The film"}, {"prompt_id": "p2", "prompt": "Très"}]


@given(st.lists(st.builds(lambda cell, response: cell | response, CELLS, RESPONSE), min_size=1, max_size=4))
def test_rows_are_read_as_written_and_give_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    one, two = (tmp_path_factory.mktemp("tables") / "new folder" / "responses.parquet" for _ in range(2))
    write_table(one, rows, RESPONSES)
    assert read_rows(one, RESPONSES) == rows
    write_table(two, iter(rows), RESPONSES)
    assert one.read_bytes() == two.read_bytes()


def test_a_value_of_another_type_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(pa.ArrowException):
        write_table(tmp_path / "prompts.parquet", [{"prompt_id": 7, "prompt": "The film"}], PROMPTS)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


BREAKAGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "truncated": (truncate, ["cannot be read as parquet"]),
    "empty": (lambda path: path.write_bytes(b""), ["cannot be read as parquet"]),
    "no parquet": (lambda path: path.write_text("prompt_id,prompt\n"), ["cannot be read as parquet"]),
    "absent": (Path.unlink, ["cannot be read as parquet"]),
    "no rows": (lambda path: write_table(path, [], PROMPTS), ["holds no rows"]),
    "other columns": (
        lambda path: write_table(path, [{"score": 1.0}], SCORES),
        ["found: ", "score (double)", "expected: prompt_id (string), prompt (string)"],
    ),
}


@pytest.mark.parametrize(("damage", "words"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_damaged_table_is_an_error_with_its_path_and_advice(
    tmp_path: Path, damage: Callable[[Path], object], words: list[str]
) -> None:
    path = tmp_path / "prompts.parquet"
    write_table(path, ROWS, PROMPTS)
    damage(path)
    with pytest.raises(UserError) as error:
        read_rows(path, PROMPTS)
    wanted = [*words, f"Delete {path} and run the same command again"]
    assert [word for word in wanted if word not in str(error.value)] == []


def test_a_few_rows_at_a_time_are_all_rows(tmp_path: Path) -> None:
    rows = [{"prompt_id": str(i), "prompt": f"Film {i}"} for i in range(2 * BATCH + 1)]
    write_table(tmp_path / "prompts.parquet", rows, PROMPTS)
    assert list(rows_in_batches(tmp_path / "prompts.parquet", PROMPTS)) == rows
    with pytest.raises(UserError, match=r"(?s)holds other columns.*expected: .*Delete .*prompts.parquet"):
        next(rows_in_batches(tmp_path / "prompts.parquet", SCORES))
    with pytest.raises(UserError, match=r"gone.parquet cannot be read as parquet .*Delete"):
        next(rows_in_batches(tmp_path / "gone.parquet", PROMPTS))


def every_row(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    return list(rows_in_batches(path, schema))


@pytest.mark.parametrize("read", [read_rows, every_row])
def test_no_flipped_bit_gives_other_rows(
    tmp_path: Path, read: Callable[[Path, pa.Schema], list[dict[str, Any]]]
) -> None:
    """Every bit of every byte in turn, by its place: the table is refused, or it holds what was written."""
    schema = pa.schema([("name", pa.string()), ("count", pa.int64()), ("share", pa.float64())])
    rows = [{"name": f"text {i}", "count": i * i, "share": i / 7} for i in range(30)]
    path = tmp_path / "table.parquet"
    write_table(path, rows, schema)
    content, refused = path.read_bytes(), 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            assert read(path, schema) == rows
        except UserError:
            refused += 1
    assert refused > len(content) / 2
