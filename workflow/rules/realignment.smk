"""The realignment stage: back to the side of the alignment stage, over examples that no stage has seen."""


# Fine-tune the last checkpoint of an inverse stage on the alignment side again.
use rule training as realignment with:
    input:
        start=pipeline.realignment.start,
        complete=pipeline.realignment.start_metrics,
        examples="<results>/{task}/splits/{side}.parquet",
    output:
        checkpoints=temp(directory("<results>/<realignment>/checkpoints")),
        losses="<results>/<realignment>/losses.parquet",
        metrics="<results>/<realignment>/metrics.json",
    log:
        "<logs>/<realignment>/realignment.log",
    benchmark:
        "<benchmarks>/<realignment>/realignment.tsv"
    threads: pipeline.requests.realignment.threads
    resources:
        **pipeline.requests.realignment.resources,
    params:
        **spec("finetune.py", pipeline.realignment.job, pipeline.realignment.algorithm),


# Generate responses to the prompts with every checkpoint of a realignment stage.
use rule generate as generate_realigned with:
    input:
        checkpoints="<results>/<realignment>/checkpoints",
        weak=ancient(pipeline.models.weak_checkpoints),
        complete=pipeline.models.weak_metrics,
        prompts="<results>/{task}/prompts/prompts.parquet",
    output:
        responses="<results>/<realignment>/responses.parquet",
    log:
        "<logs>/<realignment>/generate.log",
    benchmark:
        "<benchmarks>/<realignment>/generate.tsv"
    threads: pipeline.requests.realignment_generation.threads
    resources:
        **pipeline.requests.realignment_generation.resources,
    params:
        **spec("generate.py", pipeline.realignment.generate_job),
