"""What was measured against what the paper prints."""


rule printed_resistance:
    """Measured and printed numbers of a resistance experiment, cell by cell."""
    input:
        measured=rules.resistance_table.output.table,
        paper="workflow/paper/resistance.csv",
    output:
        table=f"{RESULTS}/tables/printed-resistance-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/printed-resistance-{{experiment}}.html",
            caption="../report/printed_resistance.rst",
            category="Resistance",
            labels={"experiment": "{experiment}", "what": "measured and printed"},
        ),
    log:
        f"{RESULTS}/logs/tables/printed-resistance-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/printed-resistance-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=printed.resistance_job,
        code=code_digest("printed_resistance.py"),
    shell:
        "python workflow/scripts/printed_resistance.py {params.job:q}"
        " --measured {input.measured:q} --paper {input.paper:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule printed_reversion:
    """Measured and printed divergences from the base model, and negatives until it is reached again."""
    input:
        seeds=rules.divergence_table.output.seeds,
        paper="workflow/paper/reversion.csv",
    output:
        table=f"{RESULTS}/tables/printed-reversion-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/printed-reversion-{{experiment}}.html",
            caption="../report/printed_reversion.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "measured and printed"},
        ),
    log:
        f"{RESULTS}/logs/tables/printed-reversion-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/printed-reversion-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=printed.reversion_job,
        code=code_digest("printed_reversion.py"),
    shell:
        "python workflow/scripts/printed_reversion.py {params.job:q}"
        " --seeds {input.seeds:q} --paper {input.paper:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"
