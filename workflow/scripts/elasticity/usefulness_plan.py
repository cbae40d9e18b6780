"""Usefulness as a graph: one job a task and base model reads all answers of what that base became."""

from elasticity import jobs
from elasticity.materials_plan import Wildcards, table_and_figure, to_json
from elasticity.plan_part import PlanPart
from elasticity.trajectories import second_sides


class UsefulnessPlan(PlanPart):
    """The measurements of the rebound experiments that ask for them."""

    def targets(self) -> list[str]:
        """The tables and figures."""
        names = [name for name, rebound in self.study.rebound.items() if rebound.usefulness]
        return [file for name in names for file in table_and_figure(self.results, f"usefulness-{name}")]

    def answers(self, wildcards: Wildcards) -> list[str]:
        """The answers of a base model, and those of its cells in every experiment that asks; others share files."""
        asking = [r for r in self.study.rebound.values() if r.usefulness and r.task == wildcards.task]
        seconds = {second for rebound in asking for second in second_sides(rebound, self.study.seeds)}
        files = [
            f"{self.plan.second_run(second, ladder)}/answers.parquet"
            for second in sorted(seconds)
            if second.trajectory.base == wildcards.base
            for ladder in self.plan.second_ladders(second)
        ]
        return [f"{self.results}/{wildcards.task}/rebound/{wildcards.base}/answers.parquet", *files]

    def job(self, wildcards: Wildcards) -> str:
        """Of a base model."""
        return to_json(jobs.UsefulnessJob(base_rung=self.study.bases[wildcards.base][1]))

    def measured(self, wildcards: Wildcards) -> list[str]:
        """What was measured of the base models of an experiment; cells of other experiments are in these files, too."""
        rebound = self.plan.rebound(wildcards)
        return [f"{self.results}/{rebound.task}/rebound/{base}/usefulness.parquet" for base in rebound.bases]

    def table(self, wildcards: Wildcards) -> list[str]:
        """The table that belongs beside an experiment's scores; none if it did not ask for one."""
        asked = self.plan.rebound(wildcards).usefulness
        return [f"{self.results}/tables/usefulness-{wildcards.experiment}.csv"] if asked else []
