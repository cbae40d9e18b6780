"""YAML files that mean something else than they look like, or stand for more than they hold."""

import re
import time
from pathlib import Path

import pytest

from elasticity.config.yaml_files import DEEPEST, LARGEST, read_mapping
from elasticity.core.errors import UserError

BOMB = "\n".join(["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)])

MERGES = "\n".join(["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40)])


def refused(folder: Path, text: str) -> str:
    """Return the message about a file with this text, which must come within a second."""
    path = folder / "study.yaml"
    path.write_text(text)
    started = time.process_time()
    with pytest.raises(UserError) as caught:
        read_mapping(path)
    assert time.process_time() - started < 1
    message = str(caught.value)
    assert message.startswith(f"{path}")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(("text", "line"), [(BOMB, 6), (MERGES, 16)])
def test_aliases_of_aliases_end_with_the_line(tmp_path: Path, text: str, line: int) -> None:
    message = refused(tmp_path, text)
    assert message == f"line {line}: with its aliases this stands for more than 100,000 values"


@pytest.mark.parametrize("text", ["a: " + "[" * 3000, "a: " + "{a: " * 3000, "? " * 3000, "- " * 3000, "&a [*a]: 1"])
def test_a_deep_file_ends_with_a_sentence(tmp_path: Path, text: str) -> None:
    assert "line 1: " in refused(tmp_path, text)


def test_an_alias_of_what_it_is_a_part_of_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "a: 1\nb: &b\n  c: *b\n").startswith(
        "line 3: *b stands for something that it is a part of"
    )


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    assert f"more than {LARGEST:,} characters" in refused(tmp_path, "a: 1\n" + "#" * 50 * LARGEST)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010", "8"),
        ("-010", "-8"),
        ("0_7", "7"),
        ("00", "0"),
        ("1:30", "90"),
        ("-1:30:00", "-5400"),
        ("1:30.5", "90.5"),
    ],
)
def test_a_number_to_another_base_is_refused_with_its_line(tmp_path: Path, text: str, number: str) -> None:
    message = refused(tmp_path, f"name: x\nseeds: [1, {text}]\n")
    assert message.startswith(f"line 2: YAML would read {text} as {number}: ")
    assert f'"{text}" if it is text' in message


def test_numbers_that_are_what_they_look_like_are_read(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("a: [0, -7, 1_000, 0x10, 0b11, 0.5, 1.0e-3, .5, 1.5e+3, '010', \"1:30\", 08, 2026-11-26, 12:60x]\n")
    values = read_mapping(path)["a"]
    assert values[:9] == [0, -7, 1000, 16, 3, 0.5, 1e-3, 0.5, 1500.0]
    assert values[9:12] == ["010", "1:30", "08"]


@pytest.mark.parametrize("text", ["a: 2026-13-45", f"a: {'9' * 5000}"])
def test_a_value_that_python_cannot_hold_is_named(tmp_path: Path, text: str) -> None:
    assert "holds a value that cannot be read" in refused(tmp_path, text)


def test_levels_and_aliases_of_an_ordinary_study_are_read(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        f"a: &a {{b: [1, 2]}}\nc: [*a, *a]\nd: {{<<: *a, e: 1}}\nf: {'[' * (DEEPEST - 2)}{']' * (DEEPEST - 2)}\n"
    )
    values = read_mapping(path)
    assert values["c"] == [{"b": [1, 2]}] * 2
    assert values["d"] == {"b": [1, 2], "e": 1}


@pytest.mark.parametrize(
    ("key", "read"),
    [
        ("yes", "True"),
        ("Off", "False"),
        ("~", "None"),
        ("null", "None"),
        ("1_0", "10"),
        ("0x1F", "31"),
        ("1.50", "1.5"),
        ("2026-01-02", "datetime.date(2026, 1, 2)"),
    ],
)
def test_a_key_that_is_not_read_as_text_is_refused_with_its_line(tmp_path: Path, key: str, read: str) -> None:
    message = refused(tmp_path, f"models:\n  {key}: 1\n  '{read}': 2\n")
    assert message == f"line 2: YAML reads the key {key} as {read}, not as text: put it in quotes"


def test_numbers_and_quoted_texts_may_be_keys(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("a: {3: x, 'yes': 1, \"1_0\": 2, on-line: 3, 1.5: 4}\n")
    assert read_mapping(path) == {"a": {3: "x", "yes": 1, "1_0": 2, "on-line": 3, 1.5: 4}}


@pytest.mark.parametrize("text", ["\\x1b[2J", "a\\0b", "\\ud800", "\\x9b", "\\r"])
@pytest.mark.parametrize("place", ['a: 1\nb: "{}"', 'a: 1\n"{}": 1', 'a: 1\nb: [x, "{}"]'])
def test_control_characters_are_refused_with_their_line(tmp_path: Path, text: str, place: str) -> None:
    message = refused(tmp_path, place.format(text))
    assert re.fullmatch(r"line 2: the text holds the control character '\\[xur][0-9a-f]*': take it out", message)


def test_tabs_line_breaks_and_symbols_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        'a: "x\\ty\\nz"\nb: |\n  two\n  lines\nc: "\U0001f600 \u0939\u093f"\r\n', newline="", encoding="utf-8"
    )
    assert read_mapping(path) == {"a": "x\ty\nz", "b": "two\nlines\n", "c": "\U0001f600 \u0939\u093f"}


def test_a_name_that_is_too_long_for_a_file_is_one_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_mapping(Path("a" * 5000))
