"""The elasticity of language models, from raw text to figures and a report."""

import functools
import sys

import snakemake_executor_plugin_slurm as slurm
from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{workflow.basedir}/workflow/scripts")

from elasticity import failures
from elasticity.demands import Demands
from elasticity.digests import code_digest
from elasticity.environment import set_environment
from elasticity.errors import UserError
from elasticity.launching import launched, launched_training
from elasticity.local_gpus import with_local_gpus
from elasticity.plan import Plan
from elasticity.reading import read_study
from elasticity.resistance_plan import ResistancePlan

# Before each look at its jobs the plugin asks SLURM for MinJobAge. Without an answer it turns from squeue to sacct, and on
# a cluster without accounting it would wait for ever after a short outage of the scheduler. Its first answer is enough.
slurm.get_min_job_age = functools.cache(slurm.get_min_job_age)
slurm.validation.get_min_job_age = slurm.get_min_job_age

if not workflow.configfiles:

    configfile: "config.yaml"


try:
    study = with_local_gpus(read_study(config), workflow.global_resources.get("gpu"))
    plan = Plan(study)
    plan.check_files()
    demands = Demands(study)
    demands.check()
except UserError as error:
    raise WorkflowError(str(error))

resistance = ResistancePlan(study)
RESULTS = plan.results
set_environment()


wildcard_constraints:
    task=plan.either(study.tasks),
    experiment="[A-Za-z0-9.-]+",
    model="[A-Za-z0-9.-]+",
    base="[A-Za-z0-9.-]+",
    pool="[a-z0-9-]+",
    vocabulary="[0-9]+",
    side="positive|negative",
    seed="[0-9]+",
    first="[0-9]+",
    ladder="[0-9-]+",
    k="[123]",
    l="[123]",


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/rebound.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/resistance.smk"
include: "workflow/rules/judge.smk"


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
        job=plan.provenance_job(),
    shell:
        "python workflow/scripts/show_plan.py {params.job:q} | tee {log:q}"


rule all:
    default_target: True
    input:
        plan.targets(),
        resistance.targets(),
        f"{RESULTS}/provenance/provenance.json",
