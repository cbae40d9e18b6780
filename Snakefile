"""The elasticity of language models, from raw text to figures and a report."""

import signal
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path[:0] = [f"{workflow.basedir}/workflow/scripts", f"{workflow.basedir}/workflow"]

from elasticity.config.claims import claims_digest
from elasticity.config.loading import read_study
from elasticity.config.yaml_files import read_mapping
from elasticity.core.errors import UserError
from elasticity.core.run_names import PATTERN
from elasticity.pipeline.running import failures
from elasticity.pipeline.running.added_seeds import with_added_seeds
from elasticity.pipeline.common import either, options, spec, template
from elasticity.pipeline.requests.local_gpus import with_local_gpus
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.runtime import results_lock
from elasticity.runtime.environment import check_slurm, online, set_environment
from elasticity.runtime.launch import launched, launched_training
from elasticity.runtime.preloading import is_wanted, use_servers
from patches import benchmark, scheduler, slurm, terminal, words

scheduler.apply()
slurm.apply()
terminal.apply(workflow)
attempts = words.apply()
shell.prefix(f"{slurm.OUTLIVE}; set -euo pipefail; ")
# SIGTERM lets Snakemake wait for what runs and then end. SIGUSR1 would just end it: a warning of a scheduler's to a job.
signal.signal(signal.SIGUSR1, lambda *_: None)

if {*"{}"} & {*str(workflow.basedir)}:
    raise WorkflowError(
        f"{workflow.basedir} has a brace in its name, which Snakemake reads as a wildcard: "
        "move the project to a folder without braces"
    )

# With --directory, the default study is still that of the project, unless the folder has one of its own.
default_study = (
    "config.yaml"
    if Path("config.yaml").is_file()
    else f"{workflow.basedir}/config.yaml"
)
try:
    # Snakemake itself takes the last of two equal keys, and follows aliases of aliases for ever.
    for file in workflow.configfiles or [default_study]:
        read_mapping(Path(file))
except UserError as error:
    raise WorkflowError(str(error))

if not workflow.configfiles:

    configfile: default_study


try:
    study = with_added_seeds(read_study(config))
    study = with_local_gpus(study, workflow.global_resources.get("gpu"))
    pipeline = Pipeline(study)
    pipeline.check()
except UserError as error:
    raise WorkflowError(str(error))

set_environment(claims_digest(study.claims))
weights = pipeline.flag_of_weights(directory, temp)


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/alignment.smk"
include: "workflow/rules/inverse.smk"
include: "workflow/rules/realignment.smk"
include: "workflow/rules/resistance.smk"
include: "workflow/rules/compression.smk"
include: "workflow/rules/stored.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


# After the rules: Snakemake applies constraints to a wildcard of a path variable only when it goes over finished rules.
wildcard_constraints:
    task=either(study.tasks),
    experiment="[A-Za-z0-9.-]+",
    model="[A-Za-z0-9.-]+",
    base="[A-Za-z0-9.-]+",
    split="[a-z0-9-]+",
    vocabulary="[0-9]+",
    side="positive|negative",
    alignment_recipe="[A-Za-z0-9.-]+",
    inverse_recipe="[A-Za-z0-9.-]+",
    realignment_recipe="[A-Za-z0-9.-]+",
    seed="[0-9]+",
    alignment_size="[0-9]+",
    inverse_size="[0-9]+",
    run_sizes=PATTERN,
    k="[123]",
    l="[123]",


localrules:
    all,
    plan,


onstart:
    if workflow.is_main_process:
        try:
            if workflow.executor_plugin.name == "slurm":
                check_slurm()
            results_lock.hold(Path(pipeline.results))
        except UserError as error:
            raise WorkflowError(str(error))
    if workflow.is_main_process and workflow.local_exec and is_wanted():
        benchmark.apply(use_servers())


onerror:
    if workflow.is_main_process:
        sys.stderr.write(
            failures.report(
                workflow.scheduler.failed, workflow.dag_settings.targets, attempts
            )
        )


# What the study resolves to and what it will cost: snakemake --quiet rules host -- plan
rule plan:
    log:
        "<logs>/plan.log",
    conda:
        "envs/elasticity.yaml"
    params:
        study=study.model_dump_json(),
    shell:
        'PYTHONPATH="$SCRIPTS" python -m elasticity plan --json {params.study:q} | tee {log:q}'


rule all:
    default_target: True
    input:
        pipeline.targets,
        "<results>/report.html",
