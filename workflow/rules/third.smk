"""The realignment stage: back to the alignment stage, responses, and how fast the alignment returns.

REBOUND is of rebound.smk.
"""

THIRD = f"{REBOUND}/P{{alignment_size}}/{{inverse_recipe}}/N{{inverse_size}}/{{realignment_recipe}}/{{run_sizes}}"


rule realignment:
    """Fine-tune the last checkpoint of an inverse stage on the alignment stage again, over examples that it has not seen."""
    input:
        start=realignment.start,
        made=realignment.start_made,
        examples=f"{RESULTS}/{{task}}/splits/{{side}}.parquet",
    output:
        checkpoints=temp(directory(f"{RESULTS}/{THIRD}/checkpoints")),
        losses=f"{RESULTS}/{THIRD}/losses.parquet",
        metrics=f"{RESULTS}/{THIRD}/metrics.json",
    log:
        f"{RESULTS}/logs/{THIRD}/realignment.log",
    benchmark:
        f"{RESULTS}/benchmarks/{THIRD}/realignment.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.realignment.threads
    resources:
        **requests.realignment.resources,
    params:
        job=realignment.job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --checkpoints {output.checkpoints:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule generate_realigned:
    """Generate responses to the prompts with every checkpoint of a realignment stage."""
    input:
        checkpoints=rules.realignment.output.checkpoints,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
        weak=ancient(plan.weak_checkpoints),
        weak_made=plan.weak_checkpoints_made,
    output:
        responses=f"{RESULTS}/{THIRD}/responses.parquet",
    log:
        f"{RESULTS}/logs/{THIRD}/response.log",
    benchmark:
        f"{RESULTS}/benchmarks/{THIRD}/response.tsv"
    conda:
        f"../../envs/{plan.generation_environment}.yaml"
    threads: requests.realignment_generation.threads
    resources:
        **requests.realignment_generation.resources,
    params:
        job=realignment.generate_job,
        code=code_digest("generate.py"),
    shell:
        launched(
            "workflow/scripts/generate.py {params.job:q}"
            " --checkpoints {input.checkpoints:q} --prompts {input.prompts:q} --weak {input.weak:q}"
            " --responses {output.responses:q} > {log:q} 2>&1"
        )


rule realignment_table:
    """Scores on the way back: means and intervals over seeds; and the examples that it takes to regain half."""
    input:
        scores=plan.rebound_scores,
    output:
        seeds=f"{RESULTS}/tables/seeds/realignment-{{experiment}}.csv",
        table=f"{RESULTS}/tables/realignment-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/realignment-{{experiment}}.html",
            caption="../report/realignment_table.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "realignment stage: table"},
        ),
        return_seeds=f"{RESULTS}/tables/seeds/realignment-return-{{experiment}}.csv",
        returns=f"{RESULTS}/tables/realignment-return-{{experiment}}.csv",
        return_html=report(
            f"{RESULTS}/tables/realignment-return-{{experiment}}.html",
            caption="../report/third_return.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "realignment stage: return"},
        ),
    log:
        f"{RESULTS}/logs/tables/realignment-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/realignment-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=realignment.table_job,
        code=code_digest("realignment_table.py"),
    shell:
        "python workflow/scripts/realignment_table.py {params.job:q} --scores {input.scores:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q}"
        " --return-seeds {output.return_seeds:q} --returns {output.returns:q}"
        " --return-html {output.return_html:q} > {log:q} 2>&1"


rule realignment_figure:
    """Score against examples of the realignment stage, one line per P, and the first alignment beside them."""
    input:
        table=rules.realignment_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/realignment-{{experiment}}.svg",
            caption="../report/realignment_figure.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "realignment stage: figure"},
        ),
        pdf=f"{RESULTS}/figures/realignment-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/realignment-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/realignment-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/realignment-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("realignment_figure.py"),
    shell:
        "python workflow/scripts/realignment_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
