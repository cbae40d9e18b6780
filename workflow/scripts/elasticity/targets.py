"""What a study is run for: every table and figure that it asks for."""

from elasticity.compression_plan import CompressionPlan
from elasticity.plan import Plan
from elasticity.printed_plan import PrintedPlan
from elasticity.resistance_plan import ResistancePlan
from elasticity.springs_plan import SpringsPlan
from elasticity.study import Study
from elasticity.theory_plan import TheoryPlan


def targets(study: Study) -> list[str]:
    """The main files of all tables and figures; the rules that make them write others beside them."""
    plan = Plan(study)
    return [
        *plan.targets(),
        *ResistancePlan(study).targets(),
        *CompressionPlan(plan).targets(),
        *SpringsPlan(plan).targets(),
        *PrintedPlan(study).targets(),
        *TheoryPlan(study).targets(),
    ]
