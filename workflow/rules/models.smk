"""Base models: pre-trained in the workflow, or imported from a folder, the hub, or a GGUF file."""


localrules:
    fetch_model,


rule tokenizer:
    """Train a byte-level BPE tokenizer on the pre-training split."""
    input:
        texts=f"{RESULTS}/{{task}}/splits/pretraining.parquet",
    output:
        tokenizer=f"{RESULTS}/{{task}}/tokenizers/{{vocabulary}}/tokenizer.json",
        config=f"{RESULTS}/{{task}}/tokenizers/{{vocabulary}}/tokenizer_config.json",
    log:
        f"{RESULTS}/logs/{{task}}/tokenizers/{{vocabulary}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/tokenizers/{{vocabulary}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        job=plan.tokenizer_job,
        code=code_digest("train_tokenizer.py"),
    shell:
        "python workflow/scripts/train_tokenizer.py {params.job:q}"
        " --texts {input.texts:q} --tokenizer {output.tokenizer:q} > {log:q} 2>&1"


rule pretrain:
    """Pre-train a model; its checkpoints are base models, too."""
    input:
        texts=plan.pretraining_split,
        tokenizer=plan.model_tokenizer_made,
    output:
        checkpoints=directory(f"{RESULTS}/models/{{model}}/checkpoints"),
        losses=f"{RESULTS}/models/{{model}}/losses.parquet",
        metrics=f"{RESULTS}/models/{{model}}/metrics.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/models/{{model}}.tsv"
    wildcard_constraints:
        model=plan.either(plan.pretrained),
    priority: 100
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.pretraining.threads
    resources:
        **requests.pretraining.resources,
    params:
        job=plan.pretrain_job,
        tokenizer=plan.model_tokenizer,
        code=code_digest("pretrain.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/pretrain.py {params.job:q}"
            " --texts {input.texts:q} --tokenizer {params.tokenizer:q} --state {params.state:q} --code {params.code}"
            " --checkpoints {output.checkpoints:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule fetch_model:
    """Fetch a model from the hub, unless the hub's cache has it: may touch the network."""
    output:
        source=temp(directory(f"{RESULTS}/models/{{model}}/source")),
    log:
        f"{RESULTS}/logs/models/fetch/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/models/fetch/{{model}}.tsv"
    wildcard_constraints:
        model=plan.either(plan.from_hub),
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=600,
    params:
        job=plan.fetch_model_job,
        code=code_digest("download_model.py"),
    shell:
        online(
            "python workflow/scripts/download_model.py {params.job:q}"
            " --source {output.source:q} > {log:q} 2>&1"
        )


rule import_model:
    """Make a model from a folder, the hub or a GGUF file an ordinary one: fp32 safetensors and a fast tokenizer."""
    input:
        files=plan.import_files,
    output:
        checkpoints=directory(f"{RESULTS}/models/{{model}}/checkpoints"),
        metrics=f"{RESULTS}/models/{{model}}/metrics.json",
    log:
        f"{RESULTS}/logs/models/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/models/{{model}}.tsv"
    wildcard_constraints:
        model=plan.either(plan.imported),
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=plan.import_memory_mb,
        runtime=plan.import_runtime_min,
    params:
        job=plan.import_job,
        fetched=plan.fetched,
        code=code_digest("import_model.py"),
    shell:
        "python workflow/scripts/import_model.py {params.job:q}"
        " --fetched {params.fetched:q} --checkpoints {output.checkpoints:q} --metrics {output.metrics:q} > {log:q} 2>&1"


rule held_out:
    """Measure the base models of a task on held-out text of each corpus."""
    input:
        checkpoints=ancient(plan.task_base_checkpoints),
        made=plan.task_bases_made,
        texts=expand(
            f"{RESULTS}/{{{{task}}}}/splits/held-out-{{corpus}}.parquet",
            corpus=["pretraining", "positive", "negative"],
        ),
    output:
        lengths=f"{RESULTS}/{{task}}/bits-per-byte.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/bits-per-byte.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/bits-per-byte.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.base_measuring.threads
    resources:
        **requests.base_measuring.resources,
    params:
        job=plan.bits_per_byte_job,
        code=code_digest("bits_per_byte.py"),
    shell:
        launched(
            "workflow/scripts/bits_per_byte.py {params.job:q}"
            " --texts {input.texts:q} --lengths {output.lengths:q} > {log:q} 2>&1"
        )
