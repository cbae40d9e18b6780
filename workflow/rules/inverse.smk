"""The inverse stage (paper B): an aligned model is fine-tuned on N examples of the other side, and responds."""


# Fine-tune a checkpoint of the alignment stage on the other side, or on a control's data. The checkpoints are temporary.
use rule training as inverse with:
    input:
        start=ancient(pipeline.rebound.inverse_start),
        complete=pipeline.rebound.inverse_start_metrics,
        examples=pipeline.rebound.inverse_splits,
        prompts=pipeline.rebound.inverse_prompts,
        score_model=pipeline.rebound.inverse_score_model,
    output:
        checkpoints=temp(directory("<results>/<inverse>/checkpoints")),
        losses="<results>/<inverse>/losses.parquet",
        metrics="<results>/<inverse>/metrics.json",
    log:
        "<logs>/<inverse>/inverse.log",
    benchmark:
        "<benchmarks>/<inverse>/inverse.tsv"
    threads: pipeline.requests.inverse.threads
    resources:
        **pipeline.requests.inverse.resources,
    params:
        **spec(
            "finetune.py",
            pipeline.rebound.inverse_job,
            pipeline.rebound.inverse_algorithm,
        ),


# Generate responses to the prompts with every checkpoint of an inverse stage.
use rule model_job as generate with:
    input:
        checkpoints="<results>/<inverse>/checkpoints",
        weak=ancient(pipeline.models.weak_checkpoints),
        complete=pipeline.models.weak_metrics,
        prompts="<results>/{task}/prompts/prompts.parquet",
    output:
        responses="<results>/<inverse>/responses.parquet",
    log:
        "<logs>/<inverse>/generate.log",
    benchmark:
        "<benchmarks>/<inverse>/generate.tsv"
    conda:
        f"../../envs/{pipeline.rebound.generation_environment}.yaml"
    threads: pipeline.requests.generation.threads
    resources:
        **pipeline.requests.generation.resources,
    params:
        **spec("generate.py", pipeline.rebound.generate_job),


# Measure the KL divergence of every checkpoint from the base model, on the checkpoint's own responses.
use rule model_job as divergence with:
    input:
        checkpoints="<results>/<inverse>/checkpoints",
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        responses="<results>/<inverse>/responses.parquet",
    output:
        divergences="<results>/<inverse>/divergences.parquet",
    log:
        "<logs>/<inverse>/divergence.log",
    threads: pipeline.requests.divergence.threads
    resources:
        **pipeline.requests.divergence.resources,
    params:
        **spec("divergence.py", pipeline.rebound.divergence_job),


# Measure the texts of all responses of a base model and of its cells; the base model is loaded once.
use rule model_job as text_statistics with:
    input:
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        responses=pipeline.text_statistics.responses,
    output:
        text_statistics="<results>/{task}/rebound/{base}/text-statistics.parquet",
    log:
        "<logs>/{task}/rebound/{base}/text-statistics.log",
    threads: pipeline.requests.text_statistics.threads
    resources:
        **pipeline.requests.text_statistics.resources,
    params:
        **spec("text_statistics.py", pipeline.text_statistics.job),
        files=options(folded=["responses"]),
