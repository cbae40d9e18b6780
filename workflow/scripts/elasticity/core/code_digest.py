"""Digest of the code that a job depends on: a script, and the parts of the library that it imports."""

import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path

from elasticity.core.digests import SCRIPTS, digest
from elasticity.core.statements import Import, Statement, statements_of

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
class Part:
    """A part of a file: statements, and the parts of the library that they import."""

    statements: tuple[Statement, ...]
    imported: tuple[tuple[Path, Names], ...]


class Code:
    """The scripts and the library in a folder. Each file is read once."""

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
            self._statements[path] = statements_of(path)
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


def _versions(modules: Iterable[str]) -> dict[str, str]:
    """Return the versions of the installed packages that provide top-level modules."""
    return dict(_name_and_version(package) for module in modules for package in _installed().get(module, ()))


@cache
def _name_and_version(package: Distribution) -> tuple[str, str]:
    return package.name, package.version


@cache
def _installed() -> Mapping[str, list[Distribution]]:
    """Return the packages that provide each top-level module.

    Like ``importlib.metadata.packages_distributions``, which takes five times as long because it reads all about them.
    """
    found: dict[str, list[Distribution]] = {}
    for package in importlib.metadata.distributions():
        for module in _top_level(package):
            found.setdefault(module, []).append(package)
    return found


def _top_level(package: Distribution) -> set[str]:
    """Return the top-level modules of a package: those that it declares, or else those of its list of files."""
    if declared := package.read_text("top_level.txt"):
        return set(declared.split())
    files = (line.split(",", 1)[0] for line in (package.read_text("RECORD") or "").splitlines())
    return {file.split("/", 1)[0].removesuffix(".py") for file in files if file.endswith(".py")}
