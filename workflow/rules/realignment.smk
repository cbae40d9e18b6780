"""The realignment stage: back to the side of the alignment stage, over examples that no stage has seen."""


# Fine-tune the last checkpoint of an inverse stage on the alignment side again, and generate responses at each size.
use rule training as realignment with:
    input:
        start=pipeline.realignment.start,
        weak=ancient(pipeline.rebound.weak),
        complete=pipeline.measurements.realignment_complete,
        examples="<results>/{task}/splits/{side}.parquet",
        response_prompts=pipeline.measurements.prompts,
    output:
        checkpoints=weights("<results>/<realignment>/checkpoints"),
        losses="<results>/<realignment>/losses.parquet",
        metrics="<results>/<realignment>/metrics.json",
        responses="<results>/<realignment>/responses.parquet",
    log:
        "<logs>/<realignment>/realignment.log",
    benchmark:
        "<benchmarks>/<realignment>/realignment.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.measured_in_place),
    priority: 60
    threads: pipeline.requests.realignment.threads
    resources:
        **pipeline.requests.realignment.resources,
    params:
        **spec(
            "finetune_measured.py",
            pipeline.measurements.realignment_job,
            pipeline.realignment.algorithm,
        ),
