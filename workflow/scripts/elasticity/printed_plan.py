"""The comparisons with the paper's printed numbers as a graph."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from elasticity.errors import UserError
from elasticity.judging_jobs import PrintedJob
from elasticity.materials_plan import Wildcards, to_json
from elasticity.study import Study

PAPER = Path(__file__).parents[2] / "paper"
"""The paper's numbers."""


class PrintedPlan:
    """The comparisons that a study asks for: of resistance, and of the negatives that revert a model."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"
        self.resistance = [name for name, experiment in study.resistance.items() if experiment.printed]
        self.rebound = [name for name, experiment in study.rebound.items() if experiment.printed]

    def targets(self) -> list[str]:
        """The tables of measured against printed numbers."""
        resistance = [f"{self.results}/tables/printed-resistance-{name}.csv" for name in self.resistance]
        return resistance + [f"{self.results}/tables/printed-reversion-{name}.csv" for name in self.rebound]

    def check(self) -> None:
        """Raise ``UserError`` if an experiment is to be compared, but has no model of the paper's table."""
        for name in self.resistance:
            self._models(f"resistance.{name}", self.study.resistance[name].bases, "resistance.csv")
        for name in self.rebound:
            self._models(f"rebound.{name}", self.study.rebound[name].bases, "reversion.csv")

    def resistance_job(self, wildcards: Wildcards) -> str:
        """Of a resistance experiment."""
        experiment = self.study.resistance[wildcards.experiment]
        models = self._models(f"resistance.{wildcards.experiment}", experiment.bases, "resistance.csv")
        return to_json(PrintedJob(task=experiment.printed, models=models))

    def reversion_job(self, wildcards: Wildcards) -> str:
        """Of a rebound experiment."""
        bases = self.study.rebound[wildcards.experiment].bases
        return to_json(PrintedJob(models=self._models(f"rebound.{wildcards.experiment}", bases, "reversion.csv")))

    def _models(self, where: str, bases: Iterable[str], file: str) -> dict[str, str]:
        """The paper's name of each base that it has numbers of: the name of the model that the base comes from."""
        printed = {_plain(name): name for name in _printed_models(file)}
        origins = {base: _plain(self.study.origin(base)) for base in bases}
        found = {base: printed[origin] for base, origin in origins.items() if origin in printed}
        if not found:
            raise UserError(
                f"{where}.printed: the paper has no numbers of {', '.join(origins)}; it has them of "
                f"{', '.join(sorted(printed.values()))}: give the models these names, or leave `printed` out"
            )
        return found


def _printed_models(file: str) -> set[str]:
    with (PAPER / file).open(encoding="utf-8", newline="") as rows:
        return {row["model"] for row in csv.DictReader(rows)}


def _plain(name: str) -> str:
    """Letters and digits only: Llama-2-7b is Llama2-7B."""
    return re.sub("[^a-z0-9]", "", name.lower())
