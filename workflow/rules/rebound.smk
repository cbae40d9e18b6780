"""Rebound (paper B): first side, second side, answers.

A folder of weights is `ancient` because Snakemake compares folders by time only; the small file `made` beside it, which
is compared by content, stands for it.
"""

REBOUND = "{task}/rebound/{base}/{side}/{recipe}/seed{seed}"
FIRST = f"{REBOUND}/P/{{ladder}}"
SECOND = f"{REBOUND}/P{{first}}/{{second}}/{{ladder}}"


rule first_side:
    """Fine-tune a base model on one side. The rungs are kept: new second sides start from them."""
    input:
        start=ancient(plan.base_rungs),
        made=plan.base_made,
        examples=f"{RESULTS}/{{task}}/pools/{{side}}.parquet",
    output:
        rungs=directory(f"{RESULTS}/{FIRST}/rungs"),
        losses=f"{RESULTS}/{FIRST}/losses.parquet",
        metrics=f"{RESULTS}/{FIRST}/metrics.json",
    log:
        f"{RESULTS}/logs/{FIRST}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{FIRST}.tsv"
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
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --rungs {output.rungs:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule second_side:
    """Fine-tune a rung of the first side on the opposite side, or on a control's data. The rungs go once they have answered."""
    input:
        start=ancient(plan.second_start),
        made=plan.second_start_made,
        examples=plan.second_side_pools,
        prompts=plan.second_side_prompts,
        score_model=plan.second_side_score_model,
    output:
        rungs=temp(directory(f"{RESULTS}/{SECOND}/rungs")),
        losses=f"{RESULTS}/{SECOND}/losses.parquet",
        metrics=f"{RESULTS}/{SECOND}/metrics.json",
    log:
        f"{RESULTS}/logs/{SECOND}/second-side.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SECOND}/second-side.tsv"
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
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --prompts {input.prompts:q} --score-model {input.score_model:q}"
            " --rungs {output.rungs:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule answer:
    """Answer the prompts with every rung of a second side."""
    input:
        rungs=rules.second_side.output.rungs,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
        weak=ancient(plan.weak_rungs),
        weak_made=plan.weak_rungs_made,
    output:
        answers=f"{RESULTS}/{SECOND}/answers.parquet",
    log:
        f"{RESULTS}/logs/{SECOND}/answer.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SECOND}/answer.tsv"
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
            " --rungs {input.rungs:q} --prompts {input.prompts:q} --weak {input.weak:q}"
            " --answers {output.answers:q} > {log:q} 2>&1"
        )


rule divergence:
    """Measure the KL divergence of every rung of a second side from the base model, on the rung's own answers."""
    input:
        rungs=rules.second_side.output.rungs,
        start=ancient(plan.base_rungs),
        made=plan.base_made,
        answers=rules.answer.output.answers,
    output:
        divergences=f"{RESULTS}/{SECOND}/divergences.parquet",
    log:
        f"{RESULTS}/logs/{SECOND}/divergence.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SECOND}/divergence.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.diverging.threads
    resources:
        **demands.diverging.resources,
    params:
        job=plan.divergence_job,
        code=code_digest("divergence.py"),
    shell:
        launched(
            "workflow/scripts/divergence.py {params.job:q}"
            " --rungs {input.rungs:q} --base {input.start:q} --answers {input.answers:q}"
            " --divergences {output.divergences:q} > {log:q} 2>&1"
        )


rule answer_base:
    """Answer the prompts with a base model."""
    input:
        rungs=ancient(plan.base_rungs),
        made=plan.base_made,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
        weak=ancient(plan.weak_rungs),
        weak_made=plan.weak_rungs_made,
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
            " --rungs {input.rungs:q} --prompts {input.prompts:q} --weak {input.weak:q}"
            " --answers {output.answers:q} > {log:q} 2>&1"
        )
