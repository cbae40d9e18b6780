"""The statements of a Python file as far as results depend on them, without words that only people read.

They are kept in ``__pycache__``, as Python keeps bytecode: parsing the library takes longer than all else that
Snakemake computes when it starts, and it starts once for each job of a cluster.
"""

import ast
import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Import:
    """An import of a module, or of names from it; ``names`` is None for ``import module``."""

    module: str
    names: frozenset[str] | None = None


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a module.

    ``code`` is the digest of its syntax tree. ``defines`` are the names that a definition or an assignment binds,
    ``uses`` all names that occur in it, and ``imports`` the imports in it. ``imported`` is what is bound if the
    statement is an import of one name, otherwise empty.
    """

    code: str
    defines: frozenset[str]
    uses: frozenset[str]
    imports: tuple[Import, ...]
    imported: str = ""


def statements_of(path: Path) -> tuple[Statement, ...]:
    """Return the statements at the top level of a file; an import of several names is several statements.

    Raises ``SyntaxError`` if the file is not Python.
    """
    source = path.read_bytes()
    kept = Path(importlib.util.cache_from_source(str(path))).with_suffix(".statements.json")
    with contextlib.suppress(OSError, ValueError):  # none are kept yet, or they are damaged
        made_from, text = kept.read_text(encoding="utf-8").split("\n", 1)
        if made_from == _digest_of(source, text):
            return tuple(_decoded(*values) for values in json.loads(text))
    found = tuple(_read(ast.parse(source)))
    if not sys.dont_write_bytecode:
        text = json.dumps([_encoded(it) for it in found])
        with contextlib.suppress(OSError):  # the folder may be read-only
            kept.parent.mkdir(exist_ok=True)
            draft = kept.with_suffix(f".{os.getpid()}")
            draft.write_text(f"{_digest_of(source, text)}\n{text}", encoding="utf-8")
            draft.replace(kept)
    return found


def _digest_of(source: bytes, text: str) -> str:
    """Return the digest of what was read and what it gave, and of this file, which decides what is read."""
    return hashlib.sha256(b"\0".join([_reader(), source, text.encode()])).hexdigest()


@cache
def _reader() -> bytes:
    return Path(__file__).read_bytes()


def _encoded(it: Statement) -> list[Any]:
    imports = [[each.module, None if each.names is None else sorted(each.names)] for each in it.imports]
    return [it.code, sorted(it.defines), sorted(it.uses), imports, it.imported]


def _decoded(code: str, defines: list[str], uses: list[str], imports: list[Any], imported: str) -> Statement:
    found = (Import(module, None if names is None else frozenset(names)) for module, names in imports)
    return Statement(code, frozenset(defines), frozenset(uses), tuple(found), imported)


def _read(module: ast.Module) -> Iterator[Statement]:
    """Yield the statements at the top level of a module; an import of several names is several statements."""
    for statement in _without_words(module.body):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield _Reader(ast.Import([alias])).statement(imported=alias.asname or alias.name.split(".")[0])
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                one = ast.ImportFrom(statement.module, [alias], statement.level)
                yield _Reader(one).statement(imported=alias.asname or alias.name)
        else:
            yield _Reader(statement).statement(_defined(statement))


class _Reader:
    """Reads a syntax tree once: its text without positions, and the names and imports in it.

    Docstrings, those of constants included, captions, descriptions of fields, and imports for type checkers are left
    out, because no job computes anything from them. (``ast.dump`` and ``ast.walk`` take several times as long.)
    """

    def __init__(self, tree: ast.AST) -> None:
        self._text: list[str] = []
        self._uses: set[str] = set()
        self._imports: list[Import] = []
        self._visit(tree)

    def statement(self, defines: Iterable[str] = (), imported: str = "") -> Statement:
        """Return what was read of a statement."""
        code = hashlib.sha256("\n".join(self._text).encode()).hexdigest()
        return Statement(code, frozenset(defines), frozenset(self._uses), tuple(self._imports), imported)

    def _visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            self._uses.add(node.id)
        elif isinstance(node, ast.Import):
            self._imports += [Import(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            self._imports.append(Import(node.module, frozenset(alias.name for alias in node.names)))
        elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            self._uses.update(_quoted_names(node.annotation))
        elif isinstance(node, ast.FunctionDef) and node.returns:
            self._uses.update(_quoted_names(node.returns))
        self._text.append(type(node).__name__)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                self._visit(value)
            elif isinstance(value, list):
                self._visit_all(node, field, value)
            else:
                self._text.append(repr(value))

    def _visit_all(self, node: ast.AST, field: str, values: list[Any]) -> None:
        if field == "body" and isinstance(node, ast.ClassDef | ast.FunctionDef):
            values = _without_words(values)
        elif field == "keywords" and isinstance(node, ast.Call):
            values = [it for it in values if not _is_words(node.func, it)]
        self._text.append("[")
        for value in values:
            if isinstance(value, ast.AST):
                self._visit(value)
            else:
                self._text.append(repr(value))
        self._text.append("]")


def _without_words(statements: Iterable[ast.stmt]) -> list[ast.stmt]:
    """Return statements without docstrings and imports for type checkers."""
    return [it for it in statements if not _is_docstring(it) and not _is_for_type_checkers(it)]


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_for_type_checkers(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Name)
        and statement.test.id == "TYPE_CHECKING"
        and not statement.orelse
    )


def _is_words(function: ast.expr, argument: ast.keyword) -> bool:
    """Return whether an argument is a caption, or the description of a field."""
    if not isinstance(argument.value, ast.Constant):
        return False
    is_field = isinstance(function, ast.Name) and function.id == "Field"
    return argument.arg == "caption" or (is_field and argument.arg == "description")


def _quoted_names(annotation: ast.expr) -> Iterator[str]:
    """Yield the names in the parts of an annotation that are written as text, such as ``list["Part"]``."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                tree = ast.parse(node.value, mode="eval")
            except SyntaxError:  # text that is no annotation, such as an option of Field
                continue
            yield from (child.id for child in ast.walk(tree) if isinstance(child, ast.Name))


def _defined(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a definition or an assignment at the top level of a module binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
