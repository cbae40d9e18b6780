"""What was measured against what the paper prints."""


rule published_resistance:
    """Measured and printed numbers of a resistance experiment, cell by cell."""
    input:
        measured=rules.resistance_table.output.table,
        paper="workflow/paper/resistance.csv",
    output:
        table=f"{RESULTS}/tables/published-resistance-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/published-resistance-{{experiment}}.html",
            caption="../report/published_resistance.rst",
            category="Resistance",
            labels={"experiment": "{experiment}", "what": "measured and printed"},
        ),
    log:
        f"{RESULTS}/logs/tables/published-resistance-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/published-resistance-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=published.resistance_job,
        code=code_digest("published_resistance.py"),
    shell:
        "python workflow/scripts/published_resistance.py {params.job:q}"
        " --measured {input.measured:q} --paper {input.paper:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule published_reversion:
    """Measured and printed divergences from the base model, and negatives until it is reached again."""
    input:
        seeds=rules.divergence_table.output.seeds,
        paper="workflow/paper/reversion.csv",
    output:
        table=f"{RESULTS}/tables/published-reversion-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/published-reversion-{{experiment}}.html",
            caption="../report/published_reversion.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "measured and printed"},
        ),
    log:
        f"{RESULTS}/logs/tables/published-reversion-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/published-reversion-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=published.reversion_job,
        code=code_digest("published_reversion.py"),
    shell:
        "python workflow/scripts/published_reversion.py {params.job:q}"
        " --seeds {input.seeds:q} --paper {input.paper:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"
