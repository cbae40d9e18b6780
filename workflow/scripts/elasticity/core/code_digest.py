"""Digest of the code that a job depends on: a script, and the parts of the library that it imports."""

import ast
import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from elasticity.core.digests import SCRIPTS, digest

REPORTING = (
    "elasticity/config/hardware.py",
    "elasticity/resources/flops.py",
    "elasticity/runtime/journal.py",
    "elasticity/runtime/progress.py",
    "elasticity/training/metrics.py",
)
"""Library modules that only report on a run and cannot change its result. No code digest contains them."""

Names = frozenset[str] | None
"""Names that are needed of a module; None: all of the module."""


def code_digest(script: str, *modules: str) -> str:
    """Return the digest of a script, of the library code that it depends on, and of the versions of packages.

    Imports are followed through the syntax trees, directly and indirectly. ``modules`` are the dotted names of modules
    that the script looks up by name at run time, such as the data format that it reads or the figure that it draws;
    other modules of their package are not part of the digest. Of a module of declarations (the package ``config``,
    and each ``jobs`` and ``schemas``) only the definitions that are imported count, and what these refer to: a new
    field in one job spec must not rerun jobs that have another one.

    Snakemake reruns a job when a parameter changes but does not see imported modules, so each rule passes this
    digest as a parameter. The syntax trees are hashed, not the text: editing comments, docstrings or layout reruns
    nothing. Captions, descriptions of fields, and imports for type checkers are left out, too, because no job computes
    anything from them; the job spec of the report has a digest of the captions.
    """
    return _library().digest(script, *modules)


def used_code(script: str, *modules: str) -> dict[Path, Names]:
    """Return the files that the code digest covers, each with the names in it that are needed."""
    return _library().used(script, *modules)


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


@dataclass(frozen=True)
class Part:
    """A part of a file: statements, and the parts of the library that they import."""

    statements: tuple[Statement, ...]
    imported: tuple[tuple[Path, Names], ...]


class Code:
    """The scripts and the library in a folder. Each file is parsed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._statements: dict[Path, tuple[Statement, ...]] = {}
        self._parts: dict[tuple[Path, Names], Part] = {}
        self._files: dict[str, tuple[Path, ...]] = {}
        self._digests: dict[tuple[str, ...], str] = {}

    def digest(self, script: str, *modules: str) -> str:
        """See ``code_digest``."""
        wanted = (script, *sorted(set(modules)))
        if wanted not in self._digests:
            kept = [(path, self._part(path, names).statements) for path, names in sorted(self.used(*wanted).items())]
            codes = [[path.relative_to(self.folder).as_posix(), [it.code for it in found]] for path, found in kept]
            packages = {each.module.split(".")[0] for _, found in kept for it in found for each in it.imports}
            self._digests[wanted] = digest([codes, _versions(packages)])
        return self._digests[wanted]

    def used(self, script: str, *modules: str) -> dict[Path, Names]:
        """See ``used_code``."""
        used: dict[Path, Names] = {}
        waiting: list[tuple[Path, Names]] = [(self.folder / script, None)]
        waiting += [(file, None) for module in modules for file in self._files_of(module)]
        while waiting:
            path, names = waiting.pop()
            known = used.get(path, frozenset())
            merged = None if known is None or names is None else known | names
            if path not in used or merged != known:
                used[path] = merged
                waiting += self._part(path, merged).imported
        return used

    def _part(self, path: Path, names: Names) -> Part:
        """Return the part of a file that defines ``names``, with what these refer to."""
        if (path, names) not in self._parts:
            statements = self._needed(self._statements_of(path), names)
            imported = (part for it in statements for part in self._imported(it.imports))
            self._parts[path, names] = Part(statements, tuple(dict.fromkeys(imported)))
        return self._parts[path, names]

    @staticmethod
    def _needed(statements: tuple[Statement, ...], names: Names) -> tuple[Statement, ...]:
        """Return the statements that define ``names``, with those that they refer to.

        Imports are kept as far as their names are used. Statements that do something other than to define or import
        names are always kept.
        """
        if names is None:
            return statements
        used, kept, size = set(names), set[int](), -1
        while size != len(kept):
            size = len(kept)
            for i, it in enumerate(statements):
                if i not in kept and not it.imported and (not it.defines or it.defines & used):
                    kept.add(i)
                    used |= it.uses
        return tuple(it for i, it in enumerate(statements) if i in kept or it.imported in used)

    def _statements_of(self, path: Path) -> tuple[Statement, ...]:
        if path not in self._statements:
            self._statements[path] = tuple(_read(ast.parse(path.read_bytes())))
        return self._statements[path]

    def _imported(self, imports: Iterable[Import]) -> Iterator[tuple[Path, Names]]:
        """Yield the parts of the library that statements import."""
        for each in imports:
            for file in self._files_of(each.module):
                yield file, each.names if self._is_declarations(file) else None
            for name in each.names or ():
                yield from ((file, None) for file in self._files_of(f"{each.module}.{name}"))

    def _files_of(self, module: str) -> tuple[Path, ...]:
        """Return the file of a module or package of the library; none if it only reports on a run."""
        if module not in self._files:
            path = self.folder.joinpath(*module.split("."))
            found = (path.with_suffix(".py"), path / "__init__.py") if module.split(".")[0] == "elasticity" else ()
            self._files[module] = tuple(file for file in found if file.exists() and not self._only_reports(file))
        return self._files[module]

    def _only_reports(self, file: Path) -> bool:
        return file.relative_to(self.folder).as_posix() in REPORTING

    def _is_declarations(self, file: Path) -> bool:
        """Return whether a file holds declarations of which an importer needs only the names that it imports."""
        return file.parent == self.folder / "elasticity" / "config" or file.stem in ("jobs", "schemas")


@cache
def _library() -> Code:
    return Code(SCRIPTS)


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


def _versions(modules: Iterable[str]) -> dict[str, str]:
    """Return the versions of the installed packages that provide top-level modules."""
    packages = {package for module in modules for package in _installed().get(module, ())}
    return {package: _version(package) for package in packages}


_version = cache(importlib.metadata.version)


@cache
def _installed() -> Mapping[str, list[str]]:
    """Return the distributions that provide each top-level module."""
    return importlib.metadata.packages_distributions()
