"""The measures of the experiments: what the verdicts are planned by, one number a seed."""


rule measures_table:
    """Every measure of an experiment for each seed, with bounds where it is censored."""
    input:
        rebound_seeds=measures.rebound_seeds,
        rebound_table=measures.rebound_table,
        resistance_seeds=measures.resistance_seeds,
    output:
        table=f"{RESULTS}/tables/measures-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/measures-{{experiment}}.html",
            caption="../report/measures_table.rst",
            category="Measures",
            labels={"experiment": "{experiment}", "what": "table"},
        ),
    log:
        f"{RESULTS}/logs/tables/measures-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/measures-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=measures.job,
        code=code_digest("measures_table.py"),
    shell:
        "python workflow/scripts/measures_table.py {params.job:q}"
        " --rebound-seeds {input.rebound_seeds:q} --rebound-table {input.rebound_table:q}"
        " --resistance-seeds {input.resistance_seeds:q}"
        " --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule measures_figure:
    """A panel for each measure: seeds, means and intervals."""
    input:
        table=rules.measures_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/measures-{{experiment}}.svg",
            caption="../report/measures_figure.rst",
            category="Measures",
            labels={"experiment": "{experiment}", "what": "figure"},
        ),
        pdf=f"{RESULTS}/figures/measures-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/measures-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/measures-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/measures-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=measures.job,
        code=code_digest("measures_figure.py"),
    shell:
        "python workflow/scripts/measures_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
