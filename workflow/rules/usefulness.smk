"""Usefulness of the answers: whether a score was bought with broken text."""


rule usefulness:
    """Measure all answers of a base model and of its cells; the base model is loaded once."""
    input:
        start=ancient(plan.base_rungs),
        made=plan.base_made,
        answers=usefulness.answers,
    output:
        usefulness=f"{RESULTS}/{{task}}/rebound/{{base}}/usefulness.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/rebound/{{base}}/usefulness.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/rebound/{{base}}/usefulness.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.usefulness.threads
    resources:
        **demands.usefulness.resources,
    params:
        job=usefulness.job,
        answers=plan.folded("answers"),
        code=code_digest("usefulness.py"),
    shell:
        launched(
            "workflow/scripts/usefulness.py {params.job:q}"
            " --base {input.start:q} --answers {params.answers:q} --usefulness {output.usefulness:q} > {log:q} 2>&1"
        )


rule usefulness_table:
    """Length, finished answers, distinctness, repetition and perplexity: means and intervals over seeds."""
    input:
        usefulness=usefulness.measured,
    output:
        seeds=f"{RESULTS}/tables/seeds/usefulness-{{experiment}}.csv",
        table=f"{RESULTS}/tables/usefulness-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/usefulness-{{experiment}}.html",
            caption="../report/usefulness_table.rst",
            category="Usefulness",
            labels={"experiment": "{experiment}", "what": "table"},
        ),
    log:
        f"{RESULTS}/logs/tables/usefulness-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/usefulness-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_judge_job,
        code=code_digest("usefulness_table.py"),
    shell:
        "python workflow/scripts/usefulness_table.py {params.job:q} --usefulness {input.usefulness:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule usefulness_figure:
    """Each measure against N, one line per P, the base model dashed."""
    input:
        table=rules.usefulness_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/usefulness-{{experiment}}.svg",
            caption="../report/usefulness_figure.rst",
            category="Usefulness",
            labels={"experiment": "{experiment}", "what": "figure"},
        ),
        pdf=f"{RESULTS}/figures/usefulness-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/usefulness-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/usefulness-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/usefulness-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("usefulness_figure.py"),
    shell:
        "python workflow/scripts/usefulness_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
