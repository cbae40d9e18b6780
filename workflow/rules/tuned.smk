"""Base models that are other models after fine-tuning: an instruction warm-up, for example."""


rule tuned_model:
    """Fine-tune a model on a split of a task; the result is a base model like any other."""
    input:
        start=ancient(plan.tuned_start),
        made=plan.tuned_start_made,
        examples=plan.tuned_split,
    output:
        checkpoints=directory(f"{RESULTS}/models/{{model}}/checkpoints"),
        losses=f"{RESULTS}/models/{{model}}/losses.parquet",
        metrics=f"{RESULTS}/models/{{model}}/metrics.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/models/{{model}}.tsv"
    wildcard_constraints:
        model=plan.either(plan.tuned),
    priority: 90
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.warm_up.threads
    resources:
        **requests.warm_up.resources,
    params:
        job=plan.tuned_job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --checkpoints {output.checkpoints:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )
