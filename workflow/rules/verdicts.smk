"""Verdicts on the claims of the study. The report sorts its chapters by name, and the space makes this one the first."""

VERDICTS = " Verdicts"


rule verdicts_table:
    """Confirmed, refuted or undecided, with the numbers behind it."""
    input:
        measures=verdicts.measures,
        scores=verdicts.scores,
        metrics=verdicts.metrics,
        calibration=verdicts.calibration,
    output:
        table=f"{RESULTS}/tables/verdicts.csv",
        html=report(
            f"{RESULTS}/tables/verdicts.html",
            caption="../report/verdicts_table.rst",
            category=VERDICTS,
            labels={"experiment": "all claims", "what": "table"},
        ),
        seeds=f"{RESULTS}/tables/seeds/verdicts.csv",
        declared=f"{RESULTS}/tables/claims.json",
    log:
        f"{RESULTS}/logs/tables/verdicts.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/verdicts.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=verdicts.job(),
        metrics=plan.folded("metrics"),
        code=code_digest("verdicts_table.py"),
    shell:
        "python workflow/scripts/verdicts_table.py {params.job:q} --measures {input.measures:q}"
        " --scores {input.scores:q} --metrics {params.metrics:q} --calibration {input.calibration:q}"
        " --table {output.table:q} --html {output.html:q} --seeds {output.seeds:q} --declared {output.declared:q}"
        " > {log:q} 2>&1"


rule verdicts_figure:
    """Every claim with its effect, its margin and its verdict."""
    input:
        table=rules.verdicts_table.output.table,
        seeds=rules.verdicts_table.output.seeds,
        declared=rules.verdicts_table.output.declared,
    output:
        svg=report(
            f"{RESULTS}/figures/verdicts.svg",
            caption="../report/verdicts_figure.rst",
            category=VERDICTS,
            labels={"experiment": "all claims", "what": "figure"},
        ),
        pdf=f"{RESULTS}/figures/verdicts.pdf",
        png=f"{RESULTS}/figures/verdicts.png",
    log:
        f"{RESULTS}/logs/figures/verdicts.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/verdicts.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=verdicts.figure_job(),
        code=code_digest("verdicts_figure.py"),
    shell:
        "python workflow/scripts/verdicts_figure.py {params.job:q} --table {input.table:q}"
        " --seeds {input.seeds:q} --declared {input.declared:q} --figures {output:q} > {log:q} 2>&1"
