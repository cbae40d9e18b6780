"""Base models: pre-trained here, imported from elsewhere, or tuned from another base model."""


localrules:
    download_model,


# Train a byte-level BPE tokenizer on the pre-training split.
use rule job as tokenizer with:
    input:
        texts="<results>/{task}/splits/pretraining.parquet",
    output:
        tokenizer="<results>/{task}/tokenizers/{vocabulary}/tokenizer.json",
        config="<results>/{task}/tokenizers/{vocabulary}/tokenizer_config.json",
    log:
        "<logs>/{task}/tokenizers/{vocabulary}.log",
    priority: 150
    params:
        **spec("train_tokenizer.py", pipeline.models.tokenizer_job),
        files=options("texts", "tokenizer"),


# Pre-train a model; its checkpoints are base models, too.
use rule training as pretrain with:
    input:
        texts=pipeline.models.pretraining_split,
        complete=pipeline.models.tokenizer_file,
    output:
        checkpoints=directory("<results>/models/{model}/checkpoints"),
        losses="<results>/models/{model}/losses.parquet",
        metrics="<results>/models/{model}/metrics.json",
    log:
        "<logs>/models/{model}.log",
    benchmark:
        "<benchmarks>/models/{model}.tsv"
    wildcard_constraints:
        model=either(pipeline.models.pretrained),
    priority: 100
    threads: pipeline.requests.pretraining.threads
    resources:
        **pipeline.requests.pretraining.resources,
    params:
        **spec("pretrain.py", pipeline.models.pretrain_job),
        files=options(tokenizer=pipeline.models.tokenizer),


# Download a model from the hub, unless the hub's cache has it.
use rule download as download_model with:
    output:
        source=temp(directory("<results>/models/{model}/source")),
    log:
        "<logs>/models/download/{model}.log",
    wildcard_constraints:
        model=either(pipeline.models.from_hub),
    resources:
        runtime=600,
    params:
        **spec("download_model.py", pipeline.models.download_job),


# Turn a model from a folder, the hub or a GGUF file into an ordinary one: fp32 safetensors and a fast tokenizer.
use rule job as import_model with:
    input:
        source=pipeline.models.import_files,
    output:
        checkpoints=directory("<results>/models/{model}/checkpoints"),
        metrics="<results>/models/{model}/metrics.json",
    log:
        "<logs>/models/{model}.log",
    benchmark:
        "<benchmarks>/models/{model}.tsv"
    wildcard_constraints:
        model=either(pipeline.models.imported),
    resources:
        mem_mb=pipeline.models.import_memory_mb,
        runtime=pipeline.models.import_runtime_min,
    params:
        **spec("import_model.py", pipeline.models.import_job),


# Fine-tune a base model on a split of a task; the result is a base model like any other.
use rule training as tune_model with:
    input:
        start=ancient(pipeline.models.tuned_start),
        complete=pipeline.models.tuned_start_metrics,
        examples=pipeline.models.tuned_split,
    output:
        checkpoints=directory("<results>/models/{model}/checkpoints"),
        losses="<results>/models/{model}/losses.parquet",
        metrics="<results>/models/{model}/metrics.json",
    log:
        "<logs>/models/{model}.log",
    benchmark:
        "<benchmarks>/models/{model}.tsv"
    wildcard_constraints:
        model=either(pipeline.models.tuned),
    priority: 90
    threads: pipeline.requests.warm_up.threads
    resources:
        **pipeline.requests.warm_up.resources,
    params:
        **spec(
            "finetune.py", pipeline.models.tuned_job, pipeline.models.tuned_algorithm
        ),


# Measure the base models of a task on held-out text of each corpus.
use rule model_job as bits_per_byte with:
    input:
        checkpoints=ancient(pipeline.models.task_checkpoints),
        complete=pipeline.models.task_metrics,
        texts=expand(
            "<results>/{{task}}/splits/held-out-{corpus}.parquet",
            corpus=["pretraining", "positive", "negative"],
        ),
    output:
        lengths="<results>/{task}/bits-per-byte.parquet",
    log:
        "<logs>/{task}/bits-per-byte.log",
    threads: pipeline.requests.bits_per_byte.threads
    resources:
        **pipeline.requests.bits_per_byte.resources,
    params:
        **spec("bits_per_byte.py", pipeline.models.bits_per_byte_job),
        files=options("texts", "lengths"),
