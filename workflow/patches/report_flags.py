"""What the rules show in the report, read from their ``report(...)`` flags.

Chapter, caption and label of a figure or table are written once, where its rule names the file. Snakemake's own report
reads them there; so does our page: a new rule is in both without another list to keep.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from snakemake.io import strip_wildcard_constraints
from snakemake.rules import Rule

from elasticity.report.contents import Flag, Showing

CAPTIONS = Path("workflow/report")


def showings(rules: Iterable[Rule], targets: Sequence[str]) -> tuple[Showing, ...]:
    """For each rule with such flags: these, all its files, and the wildcards of its jobs that make targets."""
    found = []
    for rule in rules:
        flags = tuple(_flags(rule))
        jobs = tuple(_jobs(rule, targets)) if flags else ()
        if jobs:
            files = tuple(map(strip_wildcard_constraints, rule.output))
            found.append(Showing(flags=flags, files=files, jobs=jobs, numbers=_numbers(rule)))
    return tuple(found)


def captions() -> list[str]:
    """The texts that are rendered into the page."""
    return sorted(path.as_posix() for path in CAPTIONS.glob("*.rst"))


def _flags(rule: Rule) -> Iterator[Flag]:
    for output in rule.output:
        if flag := output.flags.get("report"):
            file, caption = strip_wildcard_constraints(output), flag.caption.get_filename()
            yield Flag(file=file, chapter=flag.category, caption=caption, labels=flag.labels)


def _jobs(rule: Rule, targets: Sequence[str]) -> list[dict[str, str]]:
    """The wildcards of the jobs of a rule that make one of the targets, in their order."""
    matches = (output.match(target) for target in targets for output in rule.output)
    found: list[dict[str, str]] = []
    for wildcards in (match.groupdict() for match in matches if match):
        if wildcards not in found:
            found.append(wildcards)
    return found


def _numbers(rule: Rule) -> dict[str, Any]:
    """Those of the rule's parameters that are numbers: what captions quote."""
    return {name: value for name, value in rule.params.items() if isinstance(value, int | float)}
