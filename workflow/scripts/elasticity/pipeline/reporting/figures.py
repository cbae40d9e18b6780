"""Figures in the graph: each is drawn for those experiments whose tables the study makes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from elasticity.config.measures import measure_modules
from elasticity.pipeline.common import Part, Wildcards, either, to_json
from elasticity.pipeline.reporting.tables import TableJobs
from elasticity.plots.figure import FIGURES, FigureEntry, FigureJob

WITH_MEASURES = ("measures", "verdicts")
"""The figures whose code reads titles and units of the measures."""


@dataclass(frozen=True)
class FigureRule:
    """The parts of the rule of a figure.

    ``made_for`` are pairs of experiment and base model; either is None if the figure is not drawn for each of them.
    """

    name: str
    entry: FigureEntry
    results: str
    made_for: tuple[tuple[str | None, str | None], ...]
    jobs: "FigureJobs"

    @property
    def rule(self) -> str:
        """The name of the figure as part of an identifier."""
        return self.name.replace("-", "_")

    @property
    def tables(self) -> list[str]:
        """The paths of the tables that the figure is drawn from, with wildcards."""
        return self.entry.table_paths(self.results)

    @property
    def files(self) -> list[str]:
        """The paths of the SVG, PDF and PNG files, with wildcards."""
        return self.entry.figure_paths(self.results)

    @property
    def stem(self) -> str:
        """The path of the files below ``figures``, without the suffix."""
        return self.files[0].removeprefix(f"{self.results}/figures/").removesuffix(".svg")

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that the figure depends on beside the script."""
        return (FIGURES.module(self.name), *(measure_modules() if self.name in WITH_MEASURES else ()))

    @property
    def shown(self) -> dict[str, Any]:
        """The arguments of Snakemake's ``report`` flag."""
        return {"category": self.entry.chapter, "labels": {"of": self.entry.subject, "what": self.entry.label}}

    @property
    def constraints(self) -> dict[str, str]:
        """The regular expression of the experiments that the figure is drawn for, by wildcard."""
        experiments = dict.fromkeys(it for it, _ in self.made_for if it)
        return {} if self.entry.of == "study" else {"experiment": either(experiments)}

    def paths(self) -> list[str]:
        """The paths of the SVG files, one for each experiment, or for each experiment and base model."""
        return [self.entry.figure_paths(self.results, experiment, base or "")[0] for experiment, base in self.made_for]

    def job(self, wildcards: Wildcards) -> str:
        """Draw the figure."""
        return self.jobs.job(getattr(wildcards, "experiment", None), getattr(wildcards, "base", None))


class FigureJobs(Part):
    """All figures of a study."""

    def __init__(self, tables: TableJobs) -> None:
        super().__init__(tables.study)
        self.tables = tables
        made = {
            path
            for rule in tables
            for option in rule.outputs(lambda path, **_: path)
            for path in rule.paths(option.replace("_", "-"))
        }
        self._rules = [
            FigureRule(name, FIGURES[name], self.results, tuple(self._places(FIGURES[name], made)), self)
            for name in FIGURES.names()
        ]

    def __iter__(self) -> Iterator[FigureRule]:
        return iter(self._rules)

    def targets(self) -> list[str]:
        """The SVG files of all figures."""
        return [path for rule in self for path in rule.paths()]

    def _places(self, entry: FigureEntry, made: set[str]) -> Iterator[tuple[str | None, str | None]]:
        """Yield the experiments, with base models if the figure is drawn for each, whose tables the study makes."""
        if entry.of == "study":
            if made.issuperset(entry.table_paths(self.results, None)):
                yield None, None
            return
        kinds = {
            "rebound": list(self.study.rebound),
            "resistance": list(self.study.resistance),
            "experiment": list(dict.fromkeys([*self.study.rebound, *self.study.resistance])),
        }
        for experiment in kinds[entry.of]:
            enough = len(self.tables.bases(experiment)) >= entry.least_bases
            if enough and made.issuperset(entry.table_paths(self.results, experiment)):
                bases = self.study.resistance[experiment].bases if entry.of == "resistance" else (None,)
                yield from ((experiment, base) for base in bases)

    def job(self, experiment: str | None, base: str | None) -> str:
        """The job spec of a figure: the facts of the study that it needs beside its tables."""
        if experiment is None:
            return to_json(FigureJob())
        facts = partial(FigureJob, experiment=experiment, bases=self.tables.bases(experiment), base=base)
        rebound = self.study.rebound.get(experiment)
        if rebound is None:
            return to_json(facts())
        score_model = self.study.tasks[rebound.task].score_model
        sides = rebound.alignment_side, self.study.inverse_data(rebound).name
        return to_json(
            facts(sides=sides, score=score_model.score_name if score_model else "", planted=rebound.planted_effect)
        )
