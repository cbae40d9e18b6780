"""The report of a study as a graph."""

from collections.abc import Callable, Sequence

from elasticity.card_plan import CardPlan
from elasticity.exhibits import Showing
from elasticity.materials_plan import to_json
from elasticity.plan import Plan
from elasticity.report_page import ReportJob
from elasticity.targets import targets


class ReportPlan:
    """One page, made of everything that a study is run for and of what that was made from."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        scored = {rebound.task for rebound in plan.study.rebound.values() if plan.is_scored(rebound.task)}
        self.provenance = f"{plan.results}/provenance/provenance.json"
        self.results = [
            *targets(plan.study),
            *(f"{plan.results}/{task}/score-model/quality.json" for task in sorted(scored)),
            *CardPlan(plan).targets(),
            self.provenance,
        ]

    def job(self, showings: Callable[[Sequence[str]], tuple[Showing, ...]]) -> str:
        """Of the page; ``showings`` says what the rules show that make some files."""
        job = ReportJob(study=self.plan.study.name, results=self.plan.results, showings=showings(self.results))
        return to_json(job)
