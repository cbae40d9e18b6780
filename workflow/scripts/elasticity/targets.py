"""What a study is run for: every table and figure that it asks for."""

from elasticity.calibration_plan import CalibrationPlan
from elasticity.compression_plan import CompressionPlan
from elasticity.measures_plan import MeasuresPlan
from elasticity.plan import Plan
from elasticity.printed_plan import PrintedPlan
from elasticity.resistance_plan import ResistancePlan
from elasticity.springs_plan import SpringsPlan
from elasticity.study import Study
from elasticity.theory_plan import TheoryPlan
from elasticity.third_plan import ThirdPlan
from elasticity.usefulness_plan import UsefulnessPlan
from elasticity.verdicts_plan import VerdictsPlan


def targets(study: Study) -> list[str]:
    """The main files of all tables and figures; the rules that make them write others beside them."""
    plan = Plan(study)
    return [
        *plan.targets(),
        *ThirdPlan(plan).targets(),
        *UsefulnessPlan(plan).targets(),
        *ResistancePlan(study).targets(),
        *MeasuresPlan(plan).targets(),
        *CompressionPlan(plan).targets(),
        *SpringsPlan(plan).targets(),
        *PrintedPlan(study).targets(),
        *TheoryPlan(study).targets(),
        *CalibrationPlan(study).targets(),
        *VerdictsPlan(plan).targets(),
    ]
