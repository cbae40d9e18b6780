"""The rule of one table: its outputs, its inputs, its job spec, and the code that its numbers depend on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from elasticity.analysis.table import find_table, table_module
from elasticity.config.checks import check_modules
from elasticity.config.measures import measure_modules
from elasticity.pipeline.common import Wildcards, either

Files = Callable[[Wildcards], Any]
"""A function of the wildcards that returns a job spec, or the paths of files."""


WITH_MEASURES = ("measures", "verdicts", "calibration", "noise")
"""The tables whose numbers depend on the code of the measures."""


WITH_CHECKS = ("checks", "verdicts")
"""The tables that depend on the code of the checks."""


@dataclass(frozen=True)
class TableRule:
    """The parts of the rule of a table.

    ``made_for`` are the experiments or tasks for which the study makes the table. ``folded`` are the inputs that its
    command line gives as patterns.
    """

    name: str
    results: str
    made_for: tuple[str, ...]
    inputs: dict[str, Files]
    job: Files
    folded: tuple[str, ...] = ()

    @property
    def of(self) -> str | None:
        """The wildcard of the outputs: ``experiment``, ``task``, or None for a table of the whole study."""
        kind = find_table(self.name).of
        return {"task": "task", "study": None}.get(kind, "experiment")

    @property
    def stem(self) -> str:
        """The path of the main output below ``tables``, without the suffix."""
        return find_table(self.name).outputs["table"].removesuffix(".csv")

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that the numbers depend on beside the script."""
        measures = measure_modules() if self.name in WITH_MEASURES else ()
        return (table_module(self.name), *measures, *(check_modules() if self.name in WITH_CHECKS else ()))

    @property
    def constraints(self) -> dict[str, str]:
        """The regular expression of the experiments or tasks that the table is made for, by wildcard."""
        return {self.of: either(self.made_for)} if self.of else {}

    def outputs(self, report: Callable[..., Any]) -> dict[str, Any]:
        """The outputs by name; ``report`` is Snakemake's function that flags those that its report shows."""
        table = find_table(self.name)
        found: dict[str, Any] = {}
        for option, path in table.output_paths(self.results).items():
            shown = table.shown.get(option)
            labels = {"of": table.subject, "what": shown.label} if shown else {}
            flagged = report(path, category=table.chapter, labels=labels) if shown else path
            found[option.replace("-", "_")] = flagged
        return found

    def paths(self, option: str = "table") -> list[str]:
        """The paths of an output, one for each experiment or task."""
        table = find_table(self.name)
        if self.of is None:
            return [table.output_paths(self.results)[option]] if self.made_for else []
        return [table.output_paths(self.results, **{self.of: name})[option] for name in self.made_for]
