"""Plain text, cut into passages."""

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.core.errors import UserError
from elasticity.data import readers as module
from elasticity.data.readers import passages, passages_of, rows_of

TEXT = st.text(st.sampled_from("ab é日\n"), max_size=300)
LONGEST = st.integers(1, 40)


def cut(text: str, longest: int) -> list[str]:
    return list(passages(io.StringIO(text, newline=""), longest))


@given(TEXT, LONGEST)
def test_joined_passages_are_the_text_and_each_has_the_right_length(text: str, longest: int) -> None:
    found = cut(text, longest)
    assert "".join(found) == text
    assert all(longest // 2 < len(passage) <= longest for passage in found[:-1])
    assert all(0 < len(passage) <= longest for passage in found[-1:])


@given(TEXT, LONGEST, st.integers(1, 50))
def test_passages_do_not_depend_on_how_a_file_is_read(text: str, longest: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = cut(text, longest)
        patch.setattr(module, "BLOCK", block)
        assert cut(text, longest) == whole


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("one two three\n\nfour\nfive six", "one two three\n\n"),
        ("one two\nthree four\nfive six", "one two\nthree four\n"),
        ("one two three four five six", "one two three four "),
        ("one-two-three-four-five-six", "one-two-three-four-f"),
        ("on\n\ne two three four five", "on\n\ne two three "),  # a paragraph that ends too early
    ],
)
def test_a_passage_ends_with_a_paragraph_or_a_line_or_a_word(text: str, first: str) -> None:
    assert cut(text, 20)[0] == first


@pytest.mark.parametrize("name", ["enwik8.gz", "book.txt.gz", "book.gz"])
def test_a_text_of_any_name_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress("\ufeffEins zwei.\r\nDrei vier.\r\n".encode()))
    assert list(passages_of(path, 12)) == [{"text": "Eins zwei.\n"}, {"text": "Drei vier.\n"}]


def test_a_text_is_read_only_as_far_as_passages_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"word " * module.BLOCK + b"\xff")
    found = passages_of(path, 100)
    assert next(found) == {"text": "word " * 20}
    with pytest.raises(UserError, match=r"long, passage 3\d\d\d: is not valid UTF-8 .*byte 0xff"):
        list(found)


def test_a_file_of_rows_is_not_read_as_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.csv holds rows, not passages"):
        list(passages_of(tmp_path / "r.csv.gz", 100))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.csv", "text,label,text\na,1,b\n", r"a\.csv, row 1: column 'text' is there twice"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b", "text": "c"}\n', r"a\.jsonl, row 2: key 'text' is there twice"),
        ("a.json", '[{"text": "b", "text": "c"}]', r"a\.json, row 1: key 'text' is there twice"),
    ],
)
def test_names_that_are_there_twice_are_refused(tmp_path: Path, name: str, content: str, found: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=found):
        list(rows_of(tmp_path / name))
