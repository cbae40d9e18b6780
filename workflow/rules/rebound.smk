"""Rebound (paper B): first side, second side, answers.

A folder of weights is `ancient` because Snakemake compares folders by time only; the small file `made` beside it, which
is compared by content, stands for it.
"""

TRAJECTORY = f"{RESULTS}/{{task}}/rebound/{{base}}/{{side}}/seed{{seed}}"
TRAJECTORY_LOG = f"{RESULTS}/logs/{{task}}/rebound/{{base}}/{{side}}/seed{{seed}}"
TRAJECTORY_BENCHMARK = (
    f"{RESULTS}/benchmarks/{{task}}/rebound/{{base}}/{{side}}/seed{{seed}}"
)


rule first_side:
    """Fine-tune a base model on one side. The rungs are kept: new second sides start from them."""
    input:
        start=ancient(plan.base_rungs),
        made=plan.base_made,
        examples=f"{RESULTS}/{{task}}/pools/{{side}}.parquet",
    output:
        rungs=directory(f"{TRAJECTORY}/first/{{ladder}}/rungs"),
        losses=f"{TRAJECTORY}/first/{{ladder}}/losses.parquet",
        metrics=f"{TRAJECTORY}/first/{{ladder}}/metrics.json",
    log:
        f"{TRAJECTORY_LOG}/first/{{ladder}}.log",
    benchmark:
        f"{TRAJECTORY_BENCHMARK}/first/{{ladder}}.tsv"
    priority: 50
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.first_side.threads
    resources:
        **demands.first_side.resources,
    params:
        job=plan.first_side_job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q}"
            " --rungs {output.rungs:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule second_side:
    """Fine-tune a rung of the first side on the opposite side. The rungs go once they have answered."""
    input:
        start=ancient(plan.second_start),
        made=plan.second_start_made,
        examples=plan.second_side_pool,
    output:
        rungs=temp(directory(f"{TRAJECTORY}/P{{first}}/{{ladder}}/rungs")),
        losses=f"{TRAJECTORY}/P{{first}}/{{ladder}}/losses.parquet",
        metrics=f"{TRAJECTORY}/P{{first}}/{{ladder}}/metrics.json",
    log:
        f"{TRAJECTORY_LOG}/P{{first}}/{{ladder}}/second-side.log",
    benchmark:
        f"{TRAJECTORY_BENCHMARK}/P{{first}}/{{ladder}}/second-side.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.second_side.threads
    resources:
        **demands.second_side.resources,
    params:
        job=plan.second_side_job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q}"
            " --rungs {output.rungs:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule answer:
    """Answer the prompts with every rung of a second side."""
    input:
        rungs=rules.second_side.output.rungs,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
    output:
        answers=f"{TRAJECTORY}/P{{first}}/{{ladder}}/answers.parquet",
    log:
        f"{TRAJECTORY_LOG}/P{{first}}/{{ladder}}/answer.log",
    benchmark:
        f"{TRAJECTORY_BENCHMARK}/P{{first}}/{{ladder}}/answer.tsv"
    conda:
        f"../../envs/{plan.answering_environment}.yaml"
    threads: demands.answering.threads
    resources:
        **demands.answering.resources,
    params:
        job=plan.answer_job,
        code=code_digest("answer.py"),
    shell:
        launched(
            "workflow/scripts/answer.py {params.job:q}"
            " --rungs {input.rungs:q} --prompts {input.prompts:q} --answers {output.answers:q} > {log:q} 2>&1"
        )


rule answer_base:
    """Answer the prompts with a base model."""
    input:
        rungs=ancient(plan.base_rungs),
        made=plan.base_made,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
    output:
        answers=f"{RESULTS}/{{task}}/rebound/{{base}}/answers.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/rebound/{{base}}/answer.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/rebound/{{base}}/answer.tsv"
    conda:
        f"../../envs/{plan.answering_environment}.yaml"
    threads: demands.answering.threads
    resources:
        **demands.answering.resources,
    params:
        job=plan.base_answer_job,
        code=code_digest("answer.py"),
    shell:
        launched(
            "workflow/scripts/answer.py {params.job:q}"
            " --rungs {input.rungs:q} --prompts {input.prompts:q} --answers {output.answers:q} > {log:q} 2>&1"
        )
