"""The third stage: back to the first side, answers, and how fast the alignment returns.

REBOUND is of rebound.smk.
"""

THIRD = f"{REBOUND}/P{{first}}/{{second}}/N{{last}}/{{third}}/{{ladder}}"


rule third_side:
    """Fine-tune the last rung of a second side on the first side again, over examples that it has not seen."""
    input:
        start=third.start,
        made=third.start_made,
        examples=f"{RESULTS}/{{task}}/pools/{{side}}.parquet",
    output:
        rungs=temp(directory(f"{RESULTS}/{THIRD}/rungs")),
        losses=f"{RESULTS}/{THIRD}/losses.parquet",
        metrics=f"{RESULTS}/{THIRD}/metrics.json",
    log:
        f"{RESULTS}/logs/{THIRD}/third-side.log",
    benchmark:
        f"{RESULTS}/benchmarks/{THIRD}/third-side.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.third_side.threads
    resources:
        **demands.third_side.resources,
    params:
        job=third.job,
        code=code_digest("finetune.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/finetune.py {params.job:q}"
            " --start {input.start:q} --examples {input.examples:q} --state {params.state:q} --code {params.code}"
            " --rungs {output.rungs:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule answer_third:
    """Answer the prompts with every rung of a third stage."""
    input:
        rungs=rules.third_side.output.rungs,
        prompts=f"{RESULTS}/{{task}}/prompts/prompts.parquet",
        weak=ancient(plan.weak_rungs),
        weak_made=plan.weak_rungs_made,
    output:
        answers=f"{RESULTS}/{THIRD}/answers.parquet",
    log:
        f"{RESULTS}/logs/{THIRD}/answer.log",
    benchmark:
        f"{RESULTS}/benchmarks/{THIRD}/answer.tsv"
    conda:
        f"../../envs/{plan.answering_environment}.yaml"
    threads: demands.third_answering.threads
    resources:
        **demands.third_answering.resources,
    params:
        job=third.answer_job,
        code=code_digest("answer.py"),
    shell:
        launched(
            "workflow/scripts/answer.py {params.job:q}"
            " --rungs {input.rungs:q} --prompts {input.prompts:q} --weak {input.weak:q}"
            " --answers {output.answers:q} > {log:q} 2>&1"
        )


rule third_table:
    """Scores on the way back: means and intervals over seeds; and the examples that it takes to regain half."""
    input:
        scores=plan.rebound_scores,
    output:
        seeds=f"{RESULTS}/tables/seeds/third-{{experiment}}.csv",
        table=f"{RESULTS}/tables/third-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/third-{{experiment}}.html",
            caption="../report/third_table.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "third stage: table"},
        ),
        return_seeds=f"{RESULTS}/tables/seeds/third-return-{{experiment}}.csv",
        returns=f"{RESULTS}/tables/third-return-{{experiment}}.csv",
        return_html=report(
            f"{RESULTS}/tables/third-return-{{experiment}}.html",
            caption="../report/third_return.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "third stage: return"},
        ),
    log:
        f"{RESULTS}/logs/tables/third-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/third-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=third.judge_job,
        code=code_digest("third_table.py"),
    shell:
        "python workflow/scripts/third_table.py {params.job:q} --scores {input.scores:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q}"
        " --return-seeds {output.return_seeds:q} --returns {output.returns:q}"
        " --return-html {output.return_html:q} > {log:q} 2>&1"


rule third_figure:
    """Score against examples of the third stage, one line per P, and the first alignment beside them."""
    input:
        table=rules.third_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/third-{{experiment}}.svg",
            caption="../report/third_figure.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "third stage: figure"},
        ),
        pdf=f"{RESULTS}/figures/third-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/third-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/third-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/third-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("third_figure.py"),
    shell:
        "python workflow/scripts/third_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
