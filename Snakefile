"""The elasticity of language models, from raw text to figures and a report."""

import signal
import sys

from snakemake.exceptions import WorkflowError

sys.path[:0] = [f"{workflow.basedir}/workflow/scripts", f"{workflow.basedir}/workflow"]

import reported
import slurm_patches
import snakemake_patches
from elasticity import failures
from elasticity.calibration_plan import CalibrationPlan
from elasticity.card_plan import CardPlan
from elasticity.compression_plan import CompressionPlan
from elasticity.demands import Demands
from elasticity.digests import code_digest
from elasticity.environment import online, set_environment
from elasticity.errors import UserError
from elasticity.given_files import check_given_files
from elasticity.launching import launched, launched_training
from elasticity.local_gpus import with_local_gpus
from elasticity.measures_plan import MeasuresPlan
from elasticity.plan import Plan
from elasticity.printed_plan import PrintedPlan
from elasticity.reading import read_study
from elasticity.report_plan import ReportPlan
from elasticity.resistance_plan import ResistancePlan
from elasticity.springs_plan import SpringsPlan
from elasticity.targets import targets
from elasticity.theory_plan import TheoryPlan
from elasticity.third_plan import ThirdPlan
from elasticity.usefulness_plan import UsefulnessPlan
from elasticity.verdicts_plan import VerdictsPlan

snakemake_patches.apply()
slurm_patches.apply()
shell.prefix(f"{slurm_patches.OUTLIVE}; set -euo pipefail; ")
# SIGTERM lets Snakemake wait for what runs and then end. SIGUSR1 would just end it: a warning of a scheduler's to a job.
signal.signal(signal.SIGUSR1, lambda *_: None)

if not workflow.configfiles:

    configfile: "config.yaml"


try:
    study = with_local_gpus(read_study(config), workflow.global_resources.get("gpu"))
    plan = Plan(study)
    check_given_files(plan)
    demands = Demands(study)
    demands.check()
    printed = PrintedPlan(study)
    printed.check()
except UserError as error:
    raise WorkflowError(str(error))

resistance = ResistancePlan(study)
compression = CompressionPlan(plan)
measures = MeasuresPlan(plan)
springs = SpringsPlan(plan)
theory = TheoryPlan(study)
third = ThirdPlan(plan)
usefulness = UsefulnessPlan(plan)
calibration = CalibrationPlan(study)
verdicts = VerdictsPlan(plan)
cards = CardPlan(plan)
page = ReportPlan(plan)
RESULTS = plan.results
set_environment(study)


wildcard_constraints:
    task=plan.either(study.tasks),
    experiment="[A-Za-z0-9.-]+",
    model="[A-Za-z0-9.-]+",
    base="[A-Za-z0-9.-]+",
    pool="[a-z0-9-]+",
    vocabulary="[0-9]+",
    side="positive|negative",
    recipe="[A-Za-z0-9.-]+",
    second="[A-Za-z0-9.-]+",
    seed="[0-9]+",
    first="[0-9]+",
    last="[0-9]+",
    third="[A-Za-z0-9.-]+",
    ladder="[0-9-]+",
    k="[123]",
    l="[123]",


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/tuned.smk"
include: "workflow/rules/rebound.smk"
include: "workflow/rules/third.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/resistance.smk"
include: "workflow/rules/judge.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/usefulness.smk"
include: "workflow/rules/compression.smk"
include: "workflow/rules/springs.smk"
include: "workflow/rules/printed.smk"
include: "workflow/rules/theory.smk"
include: "workflow/rules/calibration.smk"
include: "workflow/rules/verdicts.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    plan,


onerror:
    if workflow.is_main_process:
        sys.stderr.write(
            failures.report(
                workflow.scheduler.failed, workflow.dag_settings.targets
            )
        )


# What the study resolves to and what it will cost: snakemake --quiet all -- plan
rule plan:
    log:
        f"{RESULTS}/logs/plan.log",
    conda:
        "envs/elasticity.yaml"
    params:
        study=study.model_dump_json(),
    shell:
        "python workflow/scripts/show_plan.py {params.study:q} | tee {log:q}"


rule all:
    default_target: True
    input:
        targets(study),
        f"{RESULTS}/report.html",
