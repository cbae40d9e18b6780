"""The measures as a graph: a table and a figure for each experiment that has something to measure."""

from elasticity import judging_jobs
from elasticity.materials_plan import Wildcards, to_json
from elasticity.plan import Plan
from elasticity.plan_part import PlanPart


class MeasuresPlan(PlanPart):
    """Of the rebound experiments whose answers are scored, and of the resistance experiments.

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
        return to_json(judging_jobs.MeasuresJob(bases=tuple(dict.fromkeys(bases))))
