"""Functions that all parts of the graph share: job specs as text, command-line options, and parameters of rules."""

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from elasticity.config.algorithms import ALGORITHMS
from elasticity.config.base import Section
from elasticity.config.study import Study
from elasticity.config.training import FineTuning
from elasticity.core.code_digest import code_digest
from elasticity.core.digests import SCRIPTS, canonical_json
from elasticity.core.path_patterns import fold

Wildcards = Any
"""Snakemake's wildcards: an object with a text attribute for each wildcard of the rule."""


Modules = Iterable[str] | Callable[[Wildcards], str | Iterable[str]]
"""Dotted names of modules, or a function that gives one or several."""


class Part:
    """A part of a study's graph: methods that take wildcards and return a job spec, or the paths of files."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"


def to_json(job: Section) -> str:
    """The job spec as text for a command line."""
    return canonical_json(job.model_dump(mode="json"))


def algorithm_module(settings: FineTuning) -> str:
    """The module of the algorithm that a job trains by: its code is part of the job's digest."""
    return ALGORITHMS.module(settings.algorithm.kind)


def either(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names. Without names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


COMPLETE = "complete"
"""The name of inputs that only show that a folder is complete; they are no option of a command line."""


def as_input(path: Path) -> str:
    """The path of a file of the project as an input of jobs, wherever Snakemake was started.

    It is relative if Snakemake was started in the project, so that nothing runs again when that folder is moved.
    """
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def template(name: str) -> str:
    """The path of a page template of the report."""
    return as_input(SCRIPTS.parent / "report" / name)


def options(*names: str, folded: Iterable[str] = (), **paths: Callable[[Wildcards], Any]) -> Callable[..., str]:
    """A ``params`` function: the named input and output files of a rule as options of its command line.

    ``names`` are the inputs and outputs to write; without names, all but ``COMPLETE``. The input ``model_file="a"``
    becomes ``--model-file a``. Inputs in ``folded`` are written as patterns, because a command line has no room for
    thousands of paths. ``paths`` are options that are no inputs, such as a folder of which one file is an input. Every
    path is quoted for the shell.
    """
    patterns = set(folded)

    def write(wildcards: Wildcards, input: Any, output: Any) -> str:
        words: list[str] = []
        for files in (input, output):
            for name, value in files.items():
                if name in names if names else name != COMPLETE:
                    found = _listed(value)
                    words += [f"--{name.replace('_', '-')}", *(fold(found) if name in patterns else found)]
        for name, function in paths.items():
            words += [f"--{name.replace('_', '-')}", *_listed(function(wildcards))]
        return shlex.join(map(str, words))

    return write


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def spec(script: str, job: Callable[..., str], modules: Modules = (), name: str = "") -> dict[str, Any]:
    """The ``params`` of a rule: its script with the ``name`` of what it makes, its job spec, and its code digest.

    ``modules`` are the modules that the script imports by name at run time, or a function of the wildcards that returns
    them.
    """

    def code(wildcards: Wildcards) -> str:
        found = modules(wildcards) if callable(modules) else modules
        return code_digest(script, *((found,) if isinstance(found, str) else found))

    return {"script": f"{script} {name}".strip(), "job": job, "code": code}
