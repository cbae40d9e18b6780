"""Resistance (paper A): slices, twin data sets, forward and inverse tuning, cross-entropies."""


# Fine-tune a base model on D1, D2, D3 in turn; the slices are the checkpoints after each.
use rule training as slices with:
    input:
        start=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        examples=pipeline.resistance.parts,
    output:
        checkpoints=temp(directory("<results>/<resistance>/slices/checkpoints")),
        losses="<results>/<resistance>/slices/losses.parquet",
        metrics="<results>/<resistance>/slices/metrics.json",
    log:
        "<logs>/<resistance>/slices.log",
    benchmark:
        "<benchmarks>/<resistance>/slices.tsv"
    priority: 50
    threads: pipeline.requests.slices.threads
    resources:
        **pipeline.requests.slices.resources,
    params:
        **spec(
            "finetune.py",
            pipeline.resistance.slices_job,
            pipeline.resistance.slices_algorithm,
        ),


# Generate the twin data sets from D4's prompts, and the responses to measure on from held-out prompts.
use rule model_job as generate_slices with:
    input:
        checkpoints="<results>/<resistance>/slices/checkpoints",
        twin_prompts=pipeline.resistance.twin_prompts,
        question_prompts=pipeline.resistance.question_prompts,
    output:
        twins="<results>/<resistance>/twins.parquet",
        questions="<results>/<resistance>/questions.parquet",
    log:
        "<logs>/<resistance>/generate-slices.log",
    benchmark:
        "<benchmarks>/<resistance>/generate-slices.tsv"
    conda:
        f"../../envs/{pipeline.rebound.generation_environment}.yaml"
    threads: pipeline.requests.slice_generation.threads
    resources:
        **pipeline.requests.slice_generation.resources,
    params:
        **spec("generate_slices.py", pipeline.resistance.generate_slices_job),


# Choose prompts on which the entropies of two slices agree: the equal-entropy control.
use rule model_job as choose_prompts with:
    input:
        slices=pipeline.resistance.slices,
        twins=pipeline.resistance.twins,
        questions=pipeline.resistance.questions,
    output:
        chosen="<results>/<resistance>/chosen.parquet",
    log:
        "<logs>/<resistance>/choose-prompts.log",
    threads: pipeline.requests.cross_entropy.threads
    resources:
        **pipeline.requests.cross_entropy.resources,
    params:
        **spec("choose_prompts.py", pipeline.resistance.choosing_job),


# Fine-tune slice k on the responses of slice l: forward if k < l, inverse if k > l.
use rule training as tune with:
    input:
        start=pipeline.resistance.slices,
        examples=pipeline.resistance.twins,
        chosen=pipeline.resistance.chosen,
    output:
        checkpoints=temp(directory("<results>/<resistance>/tuned/{k}-{l}/checkpoints")),
        losses="<results>/<resistance>/tuned/{k}-{l}/losses.parquet",
        metrics="<results>/<resistance>/tuned/{k}-{l}/metrics.json",
    log:
        "<logs>/<resistance>/tuned/{k}-{l}.log",
    benchmark:
        "<benchmarks>/<resistance>/tuned/{k}-{l}.tsv"
    threads: pipeline.requests.tuning.threads
    resources:
        **pipeline.requests.tuning.resources,
    params:
        **spec(
            "finetune.py",
            pipeline.resistance.tune_job,
            pipeline.resistance.tuning_algorithm,
        ),


# Measure the tuned models and the slices themselves on the slices' responses.
use rule model_job as cross_entropy with:
    input:
        slices=pipeline.resistance.slices,
        tuned=pipeline.resistance.tuned,
        questions=pipeline.resistance.questions,
        chosen=pipeline.resistance.chosen,
    output:
        cross_entropies="<results>/<resistance>/cross-entropies.parquet",
    log:
        "<logs>/<resistance>/cross-entropy.log",
    threads: pipeline.requests.cross_entropy.threads
    resources:
        **pipeline.requests.cross_entropy.resources,
    params:
        **spec("cross_entropy.py", pipeline.resistance.cross_entropy_job),
