"""The report of a study as a graph."""

from elasticity.card_plan import CardPlan
from elasticity.exhibits import Showing
from elasticity.materials_plan import to_json
from elasticity.plan import Plan
from elasticity.plan_part import PlanPart
from elasticity.report_page import ReportJob
from elasticity.targets import targets


class ReportPlan(PlanPart):
    """One page, made of everything that a study is run for and of what that was made from."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        scored = {rebound.task for rebound in plan.study.rebound.values() if plan.is_scored(rebound.task)}
        self.provenance = f"{self.results}/provenance/provenance.json"
        self.inputs = [
            *targets(plan.study),
            *(f"{self.results}/{task}/score-model/quality.json" for task in sorted(scored)),
            *CardPlan(plan).targets(),
            self.provenance,
        ]

    def job(self, showings: tuple[Showing, ...]) -> str:
        """Of the page; ``showings`` are what the rules show that make its inputs."""
        return to_json(ReportJob(study=self.study.name, results=self.results, showings=showings))
