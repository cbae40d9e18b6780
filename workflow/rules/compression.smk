"""Compression rates of held-out text of each corpus, an arithmetic coder, and joint training for the springs."""


# Measure every checkpoint of an inverse stage beside its base model.
use rule model_job as compression with:
    input:
        checkpoints="<results>/<inverse>/checkpoints",
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        texts=pipeline.compression.texts,
    output:
        rates="<results>/<inverse>/compression.parquet",
    log:
        "<logs>/<inverse>/compression.log",
    benchmark:
        "<benchmarks>/<inverse>/compression.tsv"
    threads: pipeline.requests.compression.threads
    resources:
        **pipeline.requests.compression.resources,
    params:
        **spec("compression_rates.py", pipeline.compression.job),


# Measure a base model, where the models on it are measured.
use rule model_job as base_compression with:
    input:
        checkpoints=ancient(pipeline.models.base_checkpoints),
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        texts=pipeline.compression.texts,
    output:
        rates="<results>/<measured_base>/compression.parquet",
    log:
        "<logs>/<measured_base>/compression.log",
    threads: pipeline.requests.base_compression.threads
    resources:
        **pipeline.requests.base_compression.resources,
    params:
        **spec("compression_rates.py", pipeline.compression.base_job),


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


# Train a model from random weights on what the sequential stages saw, shuffled together: one checkpoint a run.
use rule training as joint with:
    input:
        texts=pipeline.springs.texts,
        alignment="<results>/{task}/splits/{side}.parquet",
        inverse=pipeline.springs.inverse,
        complete=pipeline.springs.tokenizer_file,
    output:
        checkpoints=temp(directory("<results>/<joint>/checkpoints")),
        amounts="<results>/<joint>/amounts.parquet",
        losses="<results>/<joint>/losses.parquet",
        metrics="<results>/<joint>/metrics.json",
    log:
        "<logs>/<joint>/joint.log",
    benchmark:
        "<benchmarks>/<joint>/joint.tsv"
    threads: pipeline.requests.joint.threads
    resources:
        **pipeline.requests.joint.resources,
    params:
        **spec("train_joint.py", pipeline.springs.joint_job),
        files=options(tokenizer=pipeline.springs.tokenizer),


# Measure a jointly trained model as the others, beside the base model.
use rule compression as joint_compression with:
    input:
        checkpoints="<results>/<joint>/checkpoints",
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        texts=pipeline.compression.texts,
    output:
        rates="<results>/<joint>/compression.parquet",
    log:
        "<logs>/<joint>/compression.log",
    benchmark:
        "<benchmarks>/<joint>/compression.tsv"
    threads: pipeline.requests.joint_compression.threads
    resources:
        **pipeline.requests.joint_compression.resources,
