"""The elasticity of language models, from raw text to figures and a report."""

import signal
import sys

from snakemake.exceptions import WorkflowError

sys.path[:0] = [f"{workflow.basedir}/workflow/scripts", f"{workflow.basedir}/workflow"]

from patches import report_flags, scheduler, slurm
from elasticity.pipeline import status
from elasticity.pipeline.analyses import CalibrationPlan
from elasticity.pipeline.report import CardPlan
from elasticity.pipeline.compression import CompressionPlan
from elasticity.pipeline.resource_requests import ResourceRequests
from elasticity.config.claims import claims_digest
from elasticity.core.digests import code_digest
from elasticity.runtime.environment import online, set_environment
from elasticity.core.errors import UserError
from elasticity.pipeline.materials import check_given_files
from elasticity.runtime.launch import launched, launched_training
from elasticity.pipeline.resource_requests import with_local_gpus
from elasticity.pipeline.analyses import MeasuresPlan
from elasticity.pipeline.rebound import Plan
from elasticity.pipeline.analyses import PublishedPlan
from elasticity.config.loading import read_study
from elasticity.pipeline.report import ReportPlan
from elasticity.pipeline.resistance import ResistancePlan
from elasticity.pipeline.compression import SpringsPlan
from elasticity.pipeline.report import targets
from elasticity.pipeline.analyses import TheoryPlan
from elasticity.pipeline.rebound import RealignmentPlan
from elasticity.pipeline.analyses import TextStatisticsPlan
from elasticity.pipeline.report import VerdictsPlan

scheduler.apply()
slurm.apply()
shell.prefix(f"{slurm.OUTLIVE}; set -euo pipefail; ")
# SIGTERM lets Snakemake wait for what runs and then end. SIGUSR1 would just end it: a warning of a scheduler's to a job.
signal.signal(signal.SIGUSR1, lambda *_: None)

if not workflow.configfiles:

    configfile: "config.yaml"


try:
    study = with_local_gpus(read_study(config), workflow.global_resources.get("gpu"))
    plan = Plan(study)
    check_given_files(plan)
    requests = ResourceRequests(study)
    requests.check()
    printed = PublishedPlan(study)
    published.check()
except UserError as error:
    raise WorkflowError(str(error))

resistance = ResistancePlan(study)
compression = CompressionPlan(plan)
measures = MeasuresPlan(plan)
springs = SpringsPlan(plan)
theory = TheoryPlan(study)
realignment = RealignmentPlan(plan)
text_statistics = TextStatisticsPlan(plan)
calibration = CalibrationPlan(study)
verdicts = VerdictsPlan(plan)
cards = CardPlan(plan)
page = ReportPlan(plan)
RESULTS = plan.results
set_environment(claims_digest(study.claims))


wildcard_constraints:
    task=plan.either(study.tasks),
    experiment="[A-Za-z0-9.-]+",
    model="[A-Za-z0-9.-]+",
    base="[A-Za-z0-9.-]+",
    split="[a-z0-9-]+",
    vocabulary="[0-9]+",
    side="positive|negative",
    alignment_recipe="[A-Za-z0-9.-]+",
    inverse_recipe="[A-Za-z0-9.-]+",
    seed="[0-9]+",
    alignment_size="[0-9]+",
    inverse_size="[0-9]+",
    realignment_recipe="[A-Za-z0-9.-]+",
    run_sizes="[0-9-]+",
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
include: "workflow/rules/score_model.smk"
include: "workflow/rules/measures.smk"
include: "workflow/rules/text_statistics.smk"
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
            status.report(
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
