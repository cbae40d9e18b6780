"""The measures as a graph: a table and a figure for each experiment that has something to measure."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from elasticity.analysis.jobs import CalibrationJob, Design, MeasuresJob, PublishedJob
from elasticity.config.calibration import Calibration
from elasticity.config.compression import Theory
from elasticity.config.study import Study
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import TextStatisticsJob
from elasticity.pipeline.materials import Wildcards, table_and_figure, to_json
from elasticity.pipeline.rebound import Plan, PlanPart
from elasticity.pipeline.runs import inverse_stages


class MeasuresPlan(PlanPart):
    """Of the rebound experiments whose responses are scored, and of the resistance experiments.

    One of each kind may share a name: their measures are in one table.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.scored = [name for name, rebound in self.study.rebound.items() if plan.is_scored(rebound.task)]

    def targets(self) -> list[str]:
        """The tables and figures."""
        names = dict.fromkeys([*self.scored, *self.study.resistance])
        return [file for name in names for file in (self.table(name), f"{self.results}/figures/measures-{name}.svg")]

    def table(self, experiment: str) -> str:
        """The measures of an experiment, one row a seed."""
        return f"{self.results}/tables/measures-{experiment}.csv"

    def rebound_seeds(self, wildcards: Wildcards) -> list[str]:
        """The scores of a rebound experiment by seed, if it is one."""
        name = wildcards.experiment
        return [f"{self.results}/tables/seeds/rebound-{name}.csv"] if name in self.scored else []

    def rebound_table(self, wildcards: Wildcards) -> list[str]:
        """The table that has the scores of its base models."""
        return [f"{self.results}/tables/rebound-{wildcards.experiment}.csv"] if self.rebound_seeds(wildcards) else []

    def resistance_seeds(self, wildcards: Wildcards) -> list[str]:
        """What was measured of a resistance experiment by seed, if it is one."""
        name = wildcards.experiment
        return [f"{self.results}/tables/seeds/resistance-{name}.csv"] if name in self.study.resistance else []

    def job(self, wildcards: Wildcards) -> str:
        """The base models of an experiment."""
        name = wildcards.experiment
        rebound, resistance = self.study.rebound.get(name), self.study.resistance.get(name)
        bases = [base for experiment in (rebound, resistance) if experiment for base in experiment.bases]
        return to_json(MeasuresJob(bases=tuple(dict.fromkeys(bases))))


class CalibrationPlan:
    """One table and one figure, if the study asks for them."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"

    def targets(self) -> list[str]:
        """The table and the figure."""
        if not self.study.calibration:
            return []
        return [self.table, f"{self.results}/figures/calibration.svg"]

    @property
    def table(self) -> str:
        """The file that verdicts read."""
        return f"{self.results}/tables/calibration.csv"

    @property
    def settings(self) -> Calibration:
        """Of both; the default ones if the study does not ask."""
        return self.study.calibration or Calibration()

    def job(self) -> str:
        """Of the table."""
        job = CalibrationJob(
            settings=self.settings,
            seeds=len(self.study.seeds),
            designs=self.designs(),
            resistance=tuple(self.study.resistance),
        )
        return to_json(job)

    def designs(self) -> dict[str, Design]:
        """The designs of the experiments with scores, by the names of all that have them; N = 0 alone shows nothing."""
        names: dict[Design, list[str]] = {}
        for name, rebound in self.study.rebound.items():
            task = self.study.tasks[rebound.task]
            if task.score_model and rebound.inverse_sizes[-1] > 0:
                prompts = task.splits.prompts
                design = Design(
                    alignment_sizes=rebound.alignment_sizes, inverse_sizes=rebound.inverse_sizes, prompts=prompts
                )
                names.setdefault(design, []).append(name)
        return {", ".join(those): design for design, those in names.items()}


PAPER = Path(__file__).parents[3] / "paper"
"""The paper's numbers."""


class PublishedPlan:
    """The comparisons that a study asks for: of resistance, and of the negatives that revert a model."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.results = f"results/{study.name}"
        self.resistance = [name for name, experiment in study.resistance.items() if experiment.published]
        self.rebound = [name for name, experiment in study.rebound.items() if experiment.published]

    def targets(self) -> list[str]:
        """The tables of measured against printed numbers."""
        resistance = [f"{self.results}/tables/published-resistance-{name}.csv" for name in self.resistance]
        return resistance + [f"{self.results}/tables/published-reversion-{name}.csv" for name in self.rebound]

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
        return to_json(PublishedJob(task=experiment.published, models=models))

    def reversion_job(self, wildcards: Wildcards) -> str:
        """Of a rebound experiment."""
        bases = self.study.rebound[wildcards.experiment].bases
        return to_json(PublishedJob(models=self._models(f"rebound.{wildcards.experiment}", bases, "reversion.csv")))

    def _models(self, where: str, bases: Iterable[str], file: str) -> dict[str, str]:
        """The paper's name of each base that it has numbers of: the name of the model that the base comes from."""
        printed = {_plain(name): name for name in _published_models(file)}
        origins = {base: _plain(self.study.origin(base)) for base in bases}
        found = {base: printed[origin] for base, origin in origins.items() if origin in printed}
        if not found:
            raise UserError(
                f"{where}.published: the paper has no numbers of {', '.join(origins)}; it has them of "
                f"{', '.join(sorted(printed.values()))}: give the models these names, or leave `printed` out"
            )
        return found


def _published_models(file: str) -> set[str]:
    with (PAPER / file).open(encoding="utf-8", newline="") as rows:
        return {row["model"] for row in csv.DictReader(rows)}


def _plain(name: str) -> str:
    """Letters and digits only: Llama-2-7b is Llama2-7B."""
    return re.sub("[^a-z0-9]", "", name.lower())


class TheoryPlan:
    """One table and one figure, if the study asks for them."""

    def __init__(self, study: Study) -> None:
        self.settings = study.theory
        self.results = f"results/{study.name}"

    def targets(self) -> list[str]:
        """The table and the figure."""
        return table_and_figure(self.results, "theory") if self.settings else []

    def job(self) -> str:
        """Of both; what they would be by default if the study does not ask."""
        return to_json(self._settings)

    @property
    def draws(self) -> int:
        """Of the cross-check, for the figure's caption: of what a study extends, Snakemake's settings know nothing."""
        return self._settings.draws

    @property
    def _settings(self) -> Theory:
        return self.settings or Theory()


class TextStatisticsPlan(PlanPart):
    """The measurements of the rebound experiments that ask for them."""

    def targets(self) -> list[str]:
        """The tables and figures."""
        names = [name for name, rebound in self.study.rebound.items() if rebound.text_statistics]
        return [file for name in names for file in table_and_figure(self.results, f"text-statistics-{name}")]

    def responses(self, wildcards: Wildcards) -> list[str]:
        """The responses of a base model, and those of its cells in every experiment that asks; others share files."""
        asking = [r for r in self.study.rebound.values() if r.text_statistics and r.task == wildcards.task]
        inverses = {inverse for rebound in asking for inverse in inverse_stages(rebound, self.study.seeds)}
        files = [
            f"{self.plan.inverse_run(inverse, run_sizes)}/responses.parquet"
            for inverse in sorted(inverses)
            if inverse.alignment.base == wildcards.base
            for run_sizes in self.plan.inverse_runs(inverse)
        ]
        return [f"{self.results}/{wildcards.task}/rebound/{wildcards.base}/responses.parquet", *files]

    def job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        return to_json(TextStatisticsJob(base_checkpoint=self.study.bases[wildcards.base][1]))

    def measured(self, wildcards: Wildcards) -> list[str]:
        """What was measured of the base models of an experiment; cells of other experiments are in these files, too."""
        rebound = self.plan.rebound(wildcards)
        return [f"{self.results}/{rebound.task}/rebound/{base}/text-statistics.parquet" for base in rebound.bases]

    def table(self, wildcards: Wildcards) -> list[str]:
        """The table that belongs beside an experiment's scores; none if it did not ask for one."""
        asked = self.plan.rebound(wildcards).text_statistics
        return [f"{self.results}/tables/text-statistics-{wildcards.experiment}.csv"] if asked else []
