"""Rebound (paper B): alignment stage, inverse stage, responses.

A folder of weights is `ancient` because Snakemake compares folders by time only; the small file `made` beside it, which
is compared by content, stands for it.
"""

REBOUND = "{task}/rebound/{base}/{side}/{alignment_recipe}/seed{seed}"
FIRST = f"{REBOUND}/P/{{run_sizes}}"
SECOND = f"{REBOUND}/P{{alignment_size}}/{{inverse_recipe}}/{{run_sizes}}"


rule alignment:
    """Fine-tune a base model on one side. The checkpoints are kept: new inverse stages start from them."""
    input:
        start=ancient(plan.base_checkpoints),
        made=plan.base_made,
        examples=f"{RESULTS}/{{task}}/splits/{{side}}.parquet",
    output:
        checkpoints=directory(f"{RESULTS}/{FIRST}/checkpoints"),
        losses=f"{RESULTS}/{FIRST}/losses.parquet",
        metrics=f"{RESULTS}/{FIRST}/metrics.json",
    log:
        f"{RESULTS}/logs/{FIRST}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{FIRST}.tsv"
    priority: 50
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.alignment.threads
    resources:
        **requests.alignment.resources,
    params:
        job=plan.alignment_job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --checkpoints {output.checkpoints:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule inverse:
    """Fine-tune a checkpoint of the alignment stage on the opposite side, or on a control's data. The checkpoints go once they have has_responses."""
    input:
        start=ancient(plan.inverse_start),
        made=plan.inverse_start_made,
        examples=plan.inverse_splits,
        prompts=plan.inverse_prompts,
        score_model=plan.inverse_score_model,
    output:
        checkpoints=temp(directory(f"{RESULTS}/{SECOND}/checkpoints")),
        losses=f"{RESULTS}/{SECOND}/losses.parquet",
        metrics=f"{RESULTS}/{SECOND}/metrics.json",
    log:
        f"{RESULTS}/logs/{SECOND}/inverse.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SECOND}/inverse.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.inverse.threads
    resources:
        **requests.inverse.resources,
    params:
        job=plan.inverse_job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --prompts {input.prompts:q} --score-model {input.score_model:q}"
            " --checkpoints {output.checkpoints:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule generate:
    """Generate responses to the prompts with every checkpoint of an inverse stage."""
    input:
        checkpoints=rules.inverse.output.checkpoints,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
        weak=ancient(plan.weak_checkpoints),
        weak_made=plan.weak_checkpoints_made,
    output:
        responses=f"{RESULTS}/{SECOND}/responses.parquet",
    log:
        f"{RESULTS}/logs/{SECOND}/response.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SECOND}/response.tsv"
    conda:
        f"../../envs/{plan.generation_environment}.yaml"
    threads: requests.generation.threads
    resources:
        **requests.generation.resources,
    params:
        job=plan.generate_job,
        code=code_digest("generate.py"),
    shell:
        launched(
            "workflow/scripts/generate.py {params.job:q}"
            " --checkpoints {input.checkpoints:q} --prompts {input.prompts:q} --weak {input.weak:q}"
            " --responses {output.responses:q} > {log:q} 2>&1"
        )


rule divergence:
    """Measure the KL divergence of every checkpoint of an inverse stage from the base model, on the checkpoint's own responses."""
    input:
        checkpoints=rules.inverse.output.checkpoints,
        start=ancient(plan.base_checkpoints),
        made=plan.base_made,
        responses=rules.generate.output.responses,
    output:
        divergences=f"{RESULTS}/{SECOND}/divergences.parquet",
    log:
        f"{RESULTS}/logs/{SECOND}/divergence.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SECOND}/divergence.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.diverging.threads
    resources:
        **requests.diverging.resources,
    params:
        job=plan.divergence_job,
        code=code_digest("divergence.py"),
    shell:
        launched(
            "workflow/scripts/divergence.py {params.job:q}"
            " --checkpoints {input.checkpoints:q} --base {input.start:q} --responses {input.responses:q}"
            " --divergences {output.divergences:q} > {log:q} 2>&1"
        )


rule generate_base:
    """Generate responses to the prompts with a base model."""
    input:
        checkpoints=ancient(plan.base_checkpoints),
        made=plan.base_made,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
        weak=ancient(plan.weak_checkpoints),
        weak_made=plan.weak_checkpoints_made,
    output:
        responses=f"{RESULTS}/{{task}}/rebound/{{base}}/responses.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/rebound/{{base}}/response.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/rebound/{{base}}/response.tsv"
    conda:
        f"../../envs/{plan.generation_environment}.yaml"
    threads: requests.generation.threads
    resources:
        **requests.generation.resources,
    params:
        job=plan.generate_base_job,
        code=code_digest("generate.py"),
    shell:
        launched(
            "workflow/scripts/generate.py {params.job:q}"
            " --checkpoints {input.checkpoints:q} --prompts {input.prompts:q} --weak {input.weak:q}"
            " --responses {output.responses:q} > {log:q} 2>&1"
        )
