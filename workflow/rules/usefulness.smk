"""Text statistics of the responses: whether a score was bought with broken text."""


rule text statistics:
    """Measure all responses of a base model and of its cells; the base model is loaded once."""
    input:
        start=ancient(plan.base_checkpoints),
        made=plan.base_made,
        responses=text_statistics.responses,
    output:
        text statistics=f"{RESULTS}/{{task}}/rebound/{{base}}/text_statistics.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/rebound/{{base}}/text_statistics.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/rebound/{{base}}/text_statistics.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.text_statistics.threads
    resources:
        **requests.text_statistics.resources,
    params:
        job=text_statistics.job,
        responses=plan.folded("responses"),
        code=code_digest("text_statistics.py"),
    shell:
        launched(
            "workflow/scripts/text_statistics.py {params.job:q}"
            " --base {input.start:q} --responses {params.responses:q} --text statistics {output.text statistics:q} > {log:q} 2>&1"
        )


rule text_statistics_table:
    """Length, finished responses, distinctness, repetition and perplexity: means and intervals over seeds."""
    input:
        text statistics=text_statistics.measured,
    output:
        seeds=f"{RESULTS}/tables/seeds/text statistics-{{experiment}}.csv",
        table=f"{RESULTS}/tables/text statistics-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/text statistics-{{experiment}}.html",
            caption="../report/text_statistics_table.rst",
            category="Text statistics",
            labels={"experiment": "{experiment}", "what": "table"},
        ),
    log:
        f"{RESULTS}/logs/tables/text statistics-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/text statistics-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_table_job,
        code=code_digest("text_statistics_table.py"),
    shell:
        "python workflow/scripts/text_statistics_table.py {params.job:q} --text statistics {input.text statistics:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule text_statistics_figure:
    """Each measure against N, one line per P, the base model dashed."""
    input:
        table=rules.text_statistics_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/text statistics-{{experiment}}.svg",
            caption="../report/text_statistics_figure.rst",
            category="Text statistics",
            labels={"experiment": "{experiment}", "what": "figure"},
        ),
        pdf=f"{RESULTS}/figures/text statistics-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/text statistics-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/text statistics-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/text statistics-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("text_statistics_figure.py"),
    shell:
        "python workflow/scripts/text_statistics_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
