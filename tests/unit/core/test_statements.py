"""Statements of files that are kept in ``__pycache__``."""

import ast
import os
import shutil
import sys
from pathlib import Path

import pytest

from elasticity.core.code_digest import Code
from elasticity.core.digests import SCRIPTS
from elasticity.core.statements import statements_of

SOURCE = """
from __future__ import annotations
import json, ast as trees
from elasticity.core import errors

NAMES: list["Part"] = []
first = second = errors.UserError

class Part:
    def read(self) -> "trees.AST":
        from elasticity.core.digests import digest
        return trees.parse(json.dumps(digest(NAMES)))

if NAMES:
    print("é")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "module.py").write_text(SOURCE)
    return tmp_path / "module.py"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The sources that were parsed so far."""
    found: list[bytes] = []
    parse = ast.parse

    def counted(source: str | bytes, *arguments: str, **options: str) -> ast.AST:
        if isinstance(source, bytes):
            found.append(source)
        return parse(source, *arguments, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(ast, "parse", counted)
    return found


def kept(file: Path) -> Path:
    (found,) = (file.parent / "__pycache__").iterdir()
    return found


def test_what_is_kept_is_what_was_parsed(file: Path, parsed: list[bytes]) -> None:
    first = statements_of(file)
    assert statements_of(file) == first
    assert len(first) == 8
    assert parsed == [SOURCE.encode()]


def test_an_edit_that_changes_neither_size_nor_time_is_seen(file: Path) -> None:
    before, times = statements_of(file), file.stat()
    file.write_text(SOURCE.replace("first", "third"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [it.defines for it in statements_of(file)] != [it.defines for it in before]


def test_damage_is_seen(file: Path, parsed: list[bytes]) -> None:
    right = statements_of(file)
    whole = kept(file).read_bytes()
    damaged = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in range(0, len(whole), 7)]
    for content in (b"", b"\n", whole[:-1], whole + b" ", *damaged):
        kept(file).write_bytes(content)
        assert statements_of(file) == right
        assert kept(file).read_bytes() == whole
    assert len(parsed) == 1 + 4 + len(damaged)


def test_nothing_is_kept_where_python_keeps_no_bytecode(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    statements_of(file)
    assert [path.name for path in file.parent.iterdir()] == ["module.py"]


def test_a_place_that_cannot_be_written_is_no_error(file: Path) -> None:
    (file.parent / "__pycache__").write_text("not a folder")
    assert statements_of(file) == statements_of(file)


def test_the_library_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[bytes]) -> None:
    """Snakemake computes the digests of all scripts whenever it starts, for each job on a cluster included."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    copy = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    scripts = sorted(path.name for path in copy.glob("*.py"))
    first, library = Code(copy), {path.read_bytes() for path in copy.rglob("*.py")}
    digests = [first.digest(script) for script in scripts]
    assert len(parsed) == len(set(parsed)) <= len(library)
    assert len(parsed) > len(scripts)
    parsed.clear()
    second = Code(copy)
    assert [second.digest(script) for script in scripts] == digests
    assert parsed == []
