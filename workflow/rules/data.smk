"""From a source to disjoint pools of examples, and prompts."""


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
        code=code_digest("fetch.py"),
    shell:
        online(
            "python workflow/scripts/fetch.py {params.job:q}"
            " --examples {output.examples:q} --counts {output.counts:q} > {log:q} 2>&1"
        )


rule pool:
    """Take the examples of one pool."""
    input:
        examples=rules.fetch.output.examples,
    output:
        pool=f"{RESULTS}/{{task}}/pools/{{pool}}.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/pools/{{pool}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/pools/{{pool}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=plan.pool_job,
        code=code_digest("take_pool.py"),
    shell:
        "python workflow/scripts/take_pool.py {params.job:q}"
        " --examples {input.examples:q} --pool {output.pool:q} > {log:q} 2>&1"


rule prompts:
    """Cut the beginnings off the texts of a pool."""
    input:
        texts=rules.pool.output.pool,
        tokenizer=plan.prompt_tokenizer_made,
    output:
        prompts=f"{RESULTS}/{{task}}/prompts/{{pool}}.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/prompts/{{pool}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/prompts/{{pool}}.tsv"
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
        code=code_digest("cut_prompts.py"),
    shell:
        "python workflow/scripts/cut_prompts.py {params.job:q}"
        " --texts {input.texts:q} --tokenizer {params.tokenizer:q} --prompts {output.prompts:q} > {log:q} 2>&1"


rule questions:
    """Take the prompts of the examples of a pool."""
    input:
        examples=rules.pool.output.pool,
    output:
        prompts=f"{RESULTS}/{{task}}/prompts/{{pool}}.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/prompts/{{pool}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/prompts/{{pool}}.tsv"
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
