"""Digests of values, files and code: the identity of everything that a run depends on."""

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
"""Library modules that tell of a run and cannot change its result: editing them reruns nothing."""


SCRIPTS = Path(__file__).parents[2]
"""The folder that holds the scripts and, as a package in it, this library."""


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: object) -> str:
    """SHA-256 (hex) of a JSON-able value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """SHA-256 (hex) of the names and contents of the visible files in a folder and its sub-folders."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return digest([[p.relative_to(folder).as_posix(), file_digest(p)] for p in files])


@cache
def code_digest(script: str, *modules: str) -> str:
    """Digest of a script, of every library module that it imports, directly or not, and of the packages' versions.

    ``modules`` are dotted names of what the script imports by name at run time: the table or figure that it makes, the
    data format that it reads, the algorithm that it trains by. Only these of a registry's package are part of it.

    Snakemake reruns a job when a parameter changes but does not see imported modules, so each rule carries this
    digest as a parameter. The syntax tree is hashed, not the text: comments and layout rerun nothing.
    """
    files = sorted({file for start in (SCRIPTS / script, *_library_modules(modules)) for file in _imported(start)})
    return digest([[[path.relative_to(SCRIPTS).as_posix(), _code(path.read_text())] for path in files], _versions(files)])


def _imported(script: Path) -> set[Path]:
    """The script and its library modules, found by following imports through the syntax trees."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_library_modules(_names(path.read_text())))
    return found


def _versions(files: Iterable[Path]) -> dict[str, str]:
    """Versions of the installed packages that these files import themselves."""
    modules = {name.split(".")[0] for path in files for name in _names(path.read_text())}
    packages = {package for module in modules for package in _installed().get(module, ())}
    return {package: importlib.metadata.version(package) for package in packages}


@cache
def _installed() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@cache
def _names(source: str) -> frozenset[str]:
    """The modules that the import statements of a file's text may name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return frozenset(names)


def _library_modules(names: Iterable[str]) -> Iterable[Path]:
    for name in names:
        path = SCRIPTS.joinpath(*name.split("."))
        if name.split(".")[0] == "elasticity":
            files = (path.with_suffix(".py"), path / "__init__.py")
            yield from (
                file for file in files if file.exists() and file.relative_to(SCRIPTS).as_posix() not in REPORTING
            )


@cache
def _code(source: str) -> str:
    """The syntax tree of a file's text as text, without docstrings, those of constants included."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [statement for statement in node.body if not _is_docstring(statement)]
    return ast.dump(tree)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
