"""The inverse stage (paper B): an aligned model is fine-tuned on N examples of the other side, and measured at each N."""


# Fine-tune a checkpoint of the alignment stage on the other side, or on a control's data. Responses, divergences from the
# base model, compression rates and text statistics are taken from the weights in memory; what no experiment asks for is
# empty. Weights are saved where a realignment stage starts.
use rule training as inverse with:
    input:
        start=ancient(pipeline.rebound.inverse_start),
        base=ancient(pipeline.measurements.base),
        weak=ancient(pipeline.rebound.weak),
        complete=pipeline.measurements.inverse_complete,
        examples=pipeline.rebound.inverse_splits,
        prompts=pipeline.rebound.inverse_prompts,
        score_model=pipeline.rebound.inverse_score_model,
        response_prompts=pipeline.measurements.prompts,
        texts=pipeline.measurements.texts,
    output:
        checkpoints=weights("<results>/<inverse>/checkpoints"),
        losses="<results>/<inverse>/losses.parquet",
        metrics="<results>/<inverse>/metrics.json",
        responses="<results>/<inverse>/responses.parquet",
        divergences="<results>/<inverse>/divergences.parquet",
        compression="<results>/<inverse>/compression.parquet",
        text_statistics="<results>/<inverse>/text-statistics.parquet",
    log:
        "<logs>/<inverse>/inverse.log",
    benchmark:
        "<benchmarks>/<inverse>/inverse.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.measured_in_place),
    threads: pipeline.requests.inverse.threads
    resources:
        **pipeline.requests.inverse.resources,
    params:
        **spec(
            "finetune_measured.py",
            pipeline.measurements.inverse_job,
            pipeline.rebound.inverse_algorithm,
        ),
