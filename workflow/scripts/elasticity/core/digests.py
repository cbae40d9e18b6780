"""SHA-256 digests of values, files and code, which identify everything that a job depends on."""

import ast
import hashlib
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

REPORTING = (
    "elasticity/config/hardware.py",
    "elasticity/resources/flops.py",
    "elasticity/runtime/journal.py",
    "elasticity/runtime/progress.py",
    "elasticity/training/metrics.py",
)
"""Library modules that only report on a run and cannot change its result. No code digest contains them."""


SCRIPTS = Path(__file__).parents[2]
"""The folder that contains the scripts and the ``elasticity`` package."""


def canonical_json(value: object) -> str:
    """Return JSON with sorted keys and without spaces, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of a value that can be written as JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of the names and contents of all files below a folder whose names start with no dot."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return digest([[p.relative_to(folder).as_posix(), file_digest(p)] for p in files])


@cache
def code_digest(script: str, *modules: str) -> str:
    """Return the digest of a script, of every library module that it imports, and of the installed packages.

    Imports are followed through the syntax trees, directly and indirectly. ``modules`` are the dotted names of modules
    that the script looks up by name at run time, such as the data format that it reads or the figure that it draws;
    they and what they import are part of the digest, other modules of their package are not. Of the packages that these
    files import, the versions are part of it.

    Snakemake reruns a job when a parameter changes but does not see imported modules, so each rule passes this
    digest as a parameter. The syntax trees are hashed, not the text: editing comments, docstrings or layout reruns
    nothing.
    """
    files = sorted({file for start in (SCRIPTS / script, *_library_modules(modules)) for file in _imported(start)})
    return digest(
        [[[path.relative_to(SCRIPTS).as_posix(), _code(path.read_text())] for path in files], _versions(files)]
    )


def _imported(script: Path) -> set[Path]:
    """Return a file and the library modules that it imports, directly or indirectly."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_library_modules(_names(path.read_text())))
    return found


def _versions(files: Iterable[Path]) -> dict[str, str]:
    """Return the versions of the installed packages that these files import."""
    modules = {name.split(".")[0] for path in files for name in _names(path.read_text())}
    packages = {package for module in modules for package in _installed().get(module, ())}
    return {package: importlib.metadata.version(package) for package in packages}


@cache
def _installed() -> Mapping[str, list[str]]:
    """Return the distributions that provide each top-level module."""
    return importlib.metadata.packages_distributions()


@cache
def _names(source: str) -> frozenset[str]:
    """Return the dotted names that the import statements in ``source`` may refer to."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return frozenset(names)


def _library_modules(names: Iterable[str]) -> Iterable[Path]:
    """Yield the files of those names that are modules or packages of this library and not in ``REPORTING``."""
    for name in names:
        path = SCRIPTS.joinpath(*name.split("."))
        if name.split(".")[0] == "elasticity":
            files = (path.with_suffix(".py"), path / "__init__.py")
            yield from (
                file for file in files if file.exists() and file.relative_to(SCRIPTS).as_posix() not in REPORTING
            )


@cache
def _code(source: str) -> str:
    """Return the syntax tree of ``source`` as text, without docstrings (those of constants included)."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [statement for statement in node.body if not _is_docstring(statement)]
    return ast.dump(tree)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
