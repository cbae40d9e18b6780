"""The elasticity theorem, evaluated without a model."""


rule theory_table:
    """The theorem's derivatives by quadrature, by Monte Carlo, and to leading order."""
    output:
        table=f"{RESULTS}/tables/theory.csv",
        html=report(
            f"{RESULTS}/tables/theory.html",
            caption="../report/theory_table.rst",
            category="Theory",
            labels={"experiment": "theorem", "what": "table"},
        ),
    log:
        f"{RESULTS}/logs/tables/theory.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/theory.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=theory.job(),
        code=code_digest("theory_table.py"),
    shell:
        "python workflow/scripts/theory_table.py {params.job:q}"
        " --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule theory_figure:
    """What the theorem says, and what follows from its assumptions."""
    input:
        table=rules.theory_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/theory.svg",
            caption="../report/theory_figure.rst",
            category="Theory",
            labels={"experiment": "theorem", "what": "figure"},
        ),
        pdf=f"{RESULTS}/figures/theory.pdf",
        png=f"{RESULTS}/figures/theory.png",
    log:
        f"{RESULTS}/logs/figures/theory.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/theory.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=theory.job(),
        draws=theory.draws,
        code=code_digest("theory_figure.py"),
    shell:
        "python workflow/scripts/theory_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
