"""The alignment stage (paper B): a base model is fine-tuned on P examples of one side.

A folder of weights is `ancient` because Snakemake compares folders by time only; the small file `complete` beside it, which
is compared by content, represents it.
"""


# Fine-tune a base model on one side. The checkpoints are kept: new inverse stages start from them.
use rule training as alignment with:
    input:
        start=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        examples="<results>/{task}/splits/{side}.parquet",
        validation=pipeline.rebound.validation,
    output:
        checkpoints=directory("<results>/<alignment>/checkpoints"),
        losses="<results>/<alignment>/losses.parquet",
        metrics="<results>/<alignment>/metrics.json",
    log:
        "<logs>/<alignment>.log",
    benchmark:
        "<benchmarks>/<alignment>.tsv"
    priority: 50
    threads: pipeline.requests.alignment.threads
    resources:
        **pipeline.requests.alignment.resources,
    params:
        **spec(
            "finetune.py",
            pipeline.rebound.alignment_job,
            pipeline.rebound.alignment_algorithm,
        ),


# Generate responses to the prompts with a base model, and measure their texts.
use rule model_job as measure_base with:
    input:
        checkpoints=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        response_prompts="<results>/{task}/prompts/prompts.parquet",
    output:
        responses="<results>/{task}/rebound/{base}/responses.parquet",
        text_statistics="<results>/{task}/rebound/{base}/text-statistics.parquet",
    log:
        "<logs>/{task}/rebound/{base}/measure.log",
    benchmark:
        "<benchmarks>/{task}/rebound/{base}/measure.tsv"
    conda:
        f"../../envs/{pipeline.generation_environment}.yaml"
    threads: pipeline.requests.base.threads
    resources:
        **pipeline.requests.base.resources,
    params:
        **spec("measure.py", pipeline.measurements.base_job),
