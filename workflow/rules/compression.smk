"""Compression rates and leans of base models, an arithmetic coder, and joint training for the springs."""


# Measure a base model, where the models on it are measured.
use rule model_job as base_compression with:
    input:
        checkpoints=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        texts=pipeline.compression.texts,
    output:
        compression="<results>/<measured_base>/compression.parquet",
    log:
        "<logs>/<measured_base>/compression.log",
    threads: pipeline.requests.base_compression.threads
    resources:
        **pipeline.requests.base_compression.resources,
    params:
        **spec("measure.py", pipeline.measurements.base_compression_job),


# Measure the lean of a base model on held-out examples of both sides.
use rule model_job as base_lean with:
    input:
        checkpoints=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        lean_texts=pipeline.measurements.lean_texts,
    output:
        lean="<results>/{task}/rebound/{base}/lean.parquet",
    log:
        "<logs>/{task}/rebound/{base}/lean.log",
    threads: pipeline.requests.base_lean.threads
    resources:
        **pipeline.requests.base_lean.resources,
    params:
        **spec("measure.py", pipeline.measurements.base_lean_job),


# Pack and restore texts of each corpus with a base model and an arithmetic coder.
use rule model_job as arithmetic_coding with:
    input:
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        texts=pipeline.compression.texts,
    output:
        codes="<results>/<measured_base>/arithmetic-coding.parquet",
    log:
        "<logs>/<measured_base>/arithmetic-coding.log",
    threads: pipeline.requests.arithmetic_coding.threads
    resources:
        **pipeline.requests.arithmetic_coding.resources,
    params:
        **spec("compress_texts.py", pipeline.compression.arithmetic_coding_job),


# Train a model from random weights on what the sequential stages saw, shuffled together, and measure it as the others.
use rule training as joint with:
    input:
        pretraining=pipeline.springs.texts,
        alignment="<results>/{task}/splits/{side}.parquet",
        inverse=pipeline.springs.inverse,
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.springs.complete,
        texts=pipeline.compression.texts,
    output:
        checkpoints=weights("<results>/<joint>/checkpoints"),
        amounts="<results>/<joint>/amounts.parquet",
        losses="<results>/<joint>/losses.parquet",
        metrics="<results>/<joint>/metrics.json",
        compression="<results>/<joint>/compression.parquet",
    log:
        "<logs>/<joint>/joint.log",
    benchmark:
        "<benchmarks>/<joint>/joint.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.measured_in_place),
    threads: pipeline.requests.joint.threads
    resources:
        **pipeline.requests.joint.resources,
    params:
        **spec("train_joint.py", pipeline.measurements.joint_job),
        files=options(tokenizer=pipeline.springs.tokenizer),
