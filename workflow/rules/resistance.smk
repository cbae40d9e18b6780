"""Resistance (paper A): slices, twin data sets, forward and inverse tuning, cross-entropies."""

RUN = f"{RESULTS}/{{task}}/resistance/{{experiment}}/{{base}}/seed{{seed}}"
RUN_LOG = f"{RESULTS}/logs/{{task}}/resistance/{{experiment}}/{{base}}/seed{{seed}}"
RUN_BENCHMARK = (
    f"{RESULTS}/benchmarks/{{task}}/resistance/{{experiment}}/{{base}}/seed{{seed}}"
)


rule slices:
    """Fine-tune a base model on D1, D2, D3 in turn; the slices are the checkpoints after each."""
    input:
        start=ancient(plan.base_checkpoints),
        made=plan.base_made,
        examples=resistance.parts,
    output:
        checkpoints=temp(directory(f"{RUN}/slices/checkpoints")),
        losses=f"{RUN}/slices/losses.parquet",
        metrics=f"{RUN}/slices/metrics.json",
    log:
        f"{RUN_LOG}/slices.log",
    benchmark:
        f"{RUN_BENCHMARK}/slices.tsv"
    priority: 50
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.slices.threads
    resources:
        **requests.slices.resources,
    params:
        job=resistance.slices_job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --checkpoints {output.checkpoints:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule generate_slices:
    """Build the twin data sets from D4's prompts, and the responses to measure on from held-out prompts."""
    input:
        checkpoints=rules.slices.output.checkpoints,
        twin_prompts=resistance.twin_prompts,
        question_prompts=resistance.question_prompts,
    output:
        twins=f"{RUN}/twins.parquet",
        questions=f"{RUN}/questions.parquet",
    log:
        f"{RUN_LOG}/response-slices.log",
    benchmark:
        f"{RUN_BENCHMARK}/response-slices.tsv"
    conda:
        f"../../envs/{plan.generation_environment}.yaml"
    threads: requests.slice_generation.threads
    resources:
        **requests.slice_generation.resources,
    params:
        job=resistance.generate_slices_job,
        code=code_digest("generate_slices.py"),
    shell:
        launched(
            "workflow/scripts/generate_slices.py {params.job:q} --checkpoints {input.checkpoints:q}"
            " --twin-prompts {input.twin_prompts:q} --question-prompts {input.question_prompts:q}"
            " --twins {output.twins:q} --questions {output.questions:q} > {log:q} 2>&1"
        )


rule choose_prompts:
    """Choose prompts on which the entropies of two slices agree: the equal-entropy control."""
    input:
        slices=resistance.slices,
        twins=resistance.twins,
        questions=resistance.questions,
    output:
        chosen=f"{RUN}/chosen.parquet",
    log:
        f"{RUN_LOG}/choose-prompts.log",
    benchmark:
        f"{RUN_BENCHMARK}/choose-prompts.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.measuring.threads
    resources:
        **requests.measuring.resources,
    params:
        job=resistance.choosing_job,
        code=code_digest("choose_prompts.py"),
    shell:
        launched(
            "workflow/scripts/choose_prompts.py {params.job:q} --slices {input.slices:q}"
            " --twins {input.twins:q} --questions {input.questions:q} --chosen {output.chosen:q} > {log:q} 2>&1"
        )


rule tune:
    """Fine-tune slice k on the responses of slice l: forward if k < l, inverse if k > l."""
    input:
        start=resistance.slices,
        examples=resistance.twins,
        chosen=resistance.chosen,
    output:
        checkpoints=temp(directory(f"{RUN}/tuned/{{k}}-{{l}}/checkpoints")),
        losses=f"{RUN}/tuned/{{k}}-{{l}}/losses.parquet",
        metrics=f"{RUN}/tuned/{{k}}-{{l}}/metrics.json",
    log:
        f"{RUN_LOG}/tuned/{{k}}-{{l}}.log",
    benchmark:
        f"{RUN_BENCHMARK}/tuned/{{k}}-{{l}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.tuning.threads
    resources:
        **requests.tuning.resources,
    params:
        job=resistance.tune_job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --chosen {input.chosen:q} --state {params.state:q} --code {params.code}"
            " --checkpoints {output.checkpoints:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule cross_entropy:
    """Measure the tuned models and the slices themselves on the slices' responses."""
    input:
        slices=resistance.slices,
        tuned=resistance.tuned,
        questions=resistance.questions,
        chosen=resistance.chosen,
    output:
        lengths=f"{RUN}/cross-entropies.parquet",
    log:
        f"{RUN_LOG}/cross-entropy.log",
    benchmark:
        f"{RUN_BENCHMARK}/cross-entropy.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.measuring.threads
    resources:
        **requests.measuring.resources,
    params:
        job=resistance.cross_entropy_job,
        code=code_digest("cross_entropy.py"),
    shell:
        launched(
            "workflow/scripts/cross_entropy.py {params.job:q}"
            " --slices {input.slices:q} --tuned {input.tuned:q} --questions {input.questions:q}"
            " --chosen {input.chosen:q}"
            " --cross-entropies {output.lengths:q} > {log:q} 2>&1"
        )
