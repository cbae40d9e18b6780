"""From a source to disjoint splits of examples, and prompts."""


localrules:
    fetch,


rule fetch:
    """Read, clean and deduplicate the examples of a task: one of the few rules that may touch the network."""
    input:
        source=plan.source_files,
    output:
        examples=f"{RESULTS}/{{task}}/examples.parquet",
        counts=f"{RESULTS}/{{task}}/examples.json",
    log:
        f"{RESULTS}/logs/{{task}}/fetch.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/fetch.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=plan.fetch_job,
        code=code_digest("fetch_data.py"),
    shell:
        online(
            "python workflow/scripts/fetch_data.py {params.job:q}"
            " --examples {output.examples:q} --counts {output.counts:q} > {log:q} 2>&1"
        )


rule split:
    """Take the examples of one split."""
    input:
        examples=rules.fetch.output.examples,
    output:
        split=f"{RESULTS}/{{task}}/splits/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/splits/{{split}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/splits/{{split}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=plan.split_job,
        code=code_digest("split_data.py"),
    shell:
        "python workflow/scripts/split_data.py {params.job:q}"
        " --examples {input.examples:q} --split {output.split:q} > {log:q} 2>&1"


rule prompts:
    """Cut the beginnings off the texts of a split."""
    input:
        texts=rules.split.output.split,
        tokenizer=plan.prompt_tokenizer_made,
    output:
        prompts=f"{RESULTS}/{{task}}/prompts/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/prompts/{{split}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/prompts/{{split}}.tsv"
    wildcard_constraints:
        task=plan.either(plan.beginnings),
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.prompt_job,
        tokenizer=plan.prompt_tokenizer,
        code=code_digest("make_prompts.py"),
    shell:
        "python workflow/scripts/make_prompts.py {params.job:q}"
        " --texts {input.texts:q} --tokenizer {params.tokenizer:q} --prompts {output.prompts:q} > {log:q} 2>&1"


rule questions:
    """Take the prompts of the examples of a split."""
    input:
        examples=rules.split.output.split,
    output:
        prompts=f"{RESULTS}/{{task}}/prompts/{{split}}.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/prompts/{{split}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/prompts/{{split}}.tsv"
    wildcard_constraints:
        task=plan.either(plan.questions),
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.question_job,
        code=code_digest("take_questions.py"),
    shell:
        "python workflow/scripts/take_questions.py {params.job:q}"
        " --examples {input.examples:q} --prompts {output.prompts:q} > {log:q} 2>&1"
