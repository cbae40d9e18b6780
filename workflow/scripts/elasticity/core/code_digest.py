"""Digest of the code that a job depends on: a script, and the parts of the library that it imports."""

import ast
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from elasticity.core.digests import SCRIPTS, digest

REPORTING = (
    "elasticity/config/hardware.py",
    "elasticity/resources/flops.py",
    "elasticity/runtime/journal.py",
    "elasticity/runtime/progress.py",
    "elasticity/training/metrics.py",
)
"""Library modules that only report on a run and cannot change its result. No code digest contains them."""

Part = tuple[Path, frozenset[str] | None]
"""A library file and the names in it that are needed; None: all of it."""


@cache
def code_digest(script: str, *modules: str) -> str:
    """Return the digest of a script, of the library code that it depends on, and of the versions of packages.

    Imports are followed through the syntax trees, directly and indirectly. ``modules`` are the dotted names of modules
    that the script looks up by name at run time, such as the data format that it reads or the figure that it draws;
    other modules of their package are not part of the digest. Of a module of declarations (the package ``config``,
    and each ``jobs`` and ``schemas``) only the definitions that are imported count, and what these refer to: a new
    field in one job spec must not rerun jobs that have another one.

    Snakemake reruns a job when a parameter changes but does not see imported modules, so each rule passes this
    digest as a parameter. The syntax trees are hashed, not the text: editing comments, docstrings or layout reruns
    nothing. Captions and imports for type checkers are left out, too, because no job computes anything from them; the
    job spec of the report has a digest of the captions.
    """
    code = {path: _statements(path.read_text(), names) for path, names in sorted(used_code(script, *modules).items())}
    dumped = [[path.relative_to(SCRIPTS).as_posix(), [ast.dump(it) for it in found]] for path, found in code.items()]
    return digest([dumped, _versions(statement for found in code.values() for statement in found)])


def used_code(script: str, *modules: str) -> dict[Path, frozenset[str] | None]:
    """Return the files that the code digest covers, each with the names in it that are needed; None: all of it."""
    wanted: dict[Path, frozenset[str] | None] = {}
    waiting: list[Part] = [(SCRIPTS / script, None), *((file, None) for name in modules for file in _files(name))]
    while waiting:
        path, names = waiting.pop()
        known = wanted.get(path, frozenset())
        merged = None if known is None or names is None else known | names
        if path not in wanted or merged != known:
            wanted[path] = merged
            waiting.extend(_imports(_statements(path.read_text(), merged)))
    return wanted


@cache
def _statements(source: str, names: frozenset[str] | None) -> tuple[ast.stmt, ...]:
    """Return the statements of a module that define ``names``, with those that they refer to; None: all statements.

    Docstrings, those of constants included, captions, and imports for type checkers are left out. Of an import only
    the names that are used remain.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [it for it in node.body if not _is_docstring(it) and not _is_for_type_checkers(it)]
        elif isinstance(node, ast.Call):
            node.keywords = [it for it in node.keywords if not _is_caption(it)]
    if names is None:
        return tuple(tree.body)
    used, kept = set(names), set[int]()
    while True:
        new = [i for i, it in enumerate(tree.body) if i not in kept and _counts(it, used)]
        if not new:
            break
        kept.update(new)
        used.update(node.id for i in new for node in ast.walk(tree.body[i]) if isinstance(node, ast.Name))
    found = (_used_part(it, used) if i not in kept else it for i, it in enumerate(tree.body))
    return tuple(statement for statement in found if statement is not None)


def _counts(statement: ast.stmt, used: set[str]) -> bool:
    """Return whether a statement defines a used name, or does something other than to define or import names."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return False
    defined = _defined(statement)
    return not defined or bool(defined & used)


def _defined(statement: ast.stmt) -> set[str]:
    """Return the names that a definition or an assignment at the top level of a module binds."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return set()


def _used_part(statement: ast.stmt, used: set[str]) -> ast.stmt | None:
    """Return an import with its used names only; None if there is none, or if the statement is no import."""
    if isinstance(statement, ast.Import):
        names = [alias for alias in statement.names if (alias.asname or alias.name.split(".")[0]) in used]
        return ast.Import(names=names) if names else None
    if isinstance(statement, ast.ImportFrom):
        names = [alias for alias in statement.names if (alias.asname or alias.name) in used]
        return ast.ImportFrom(module=statement.module, names=names, level=statement.level) if names else None
    return None


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_caption(argument: ast.keyword) -> bool:
    return argument.arg == "caption" and isinstance(argument.value, ast.Constant)


def _is_for_type_checkers(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and statement.test.id == "TYPE_CHECKING"
    )


def _imports(statements: Iterable[ast.stmt]) -> Iterator[Part]:
    """Yield the parts of the library that statements import, wherever in them the import stands."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            yield from ((file, None) for alias in node.names for file in _files(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = frozenset(alias.name for alias in node.names)
            for file in _files(node.module):
                yield file, names if _is_declarations(file) else None
            yield from ((file, None) for name in names for file in _files(f"{node.module}.{name}"))


def _files(module: str) -> Iterator[Path]:
    """Yield the file of a module or package of this library, unless it only reports on a run."""
    if module.split(".")[0] == "elasticity":
        path = SCRIPTS.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists() and file.relative_to(SCRIPTS).as_posix() not in REPORTING:
                yield file


def _is_declarations(file: Path) -> bool:
    """Return whether a file holds declarations of which an importer needs only the names that it imports."""
    return file.parent == SCRIPTS / "elasticity" / "config" or file.stem in ("jobs", "schemas")


def _versions(statements: Iterable[ast.stmt]) -> dict[str, str]:
    """Return the versions of the installed packages that statements import."""
    modules: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            modules.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.split(".")[0])
    packages = {package for module in modules for package in _installed().get(module, ())}
    return {package: importlib.metadata.version(package) for package in packages}


@cache
def _installed() -> Mapping[str, list[str]]:
    """Return the distributions that provide each top-level module."""
    return importlib.metadata.packages_distributions()
