"""What the parts of a study's graph have in common that add to its rebound experiments."""

from elasticity.plan import Plan


class PlanPart:
    """Jobs that start from those of a plan, and lie in its folder."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.study = plan.study
        self.results = plan.results
