"""How often the tests of the verdicts reject, on simulated experiments."""


rule calibration_table:
    """Rates of rejection with and without an effect, and coverage of intervals."""
    output:
        table=f"{RESULTS}/tables/calibration.csv",
        html=report(
            f"{RESULTS}/tables/calibration.html",
            caption="../report/calibration_table.rst",
            category="Calibration",
            labels={"experiment": "tests", "what": "table"},
        ),
    log:
        f"{RESULTS}/logs/tables/calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/calibration.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        job=calibration.job(),
        code=code_digest("calibration_table.py"),
    shell:
        "python workflow/scripts/calibration_table.py {params.job:q}"
        " --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule calibration_figure:
    """Rates of rejection: at most the level where nothing is there to be found, and the power."""
    input:
        table=rules.calibration_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/calibration.svg",
            caption="../report/calibration_figure.rst",
            category="Calibration",
            labels={"experiment": "tests", "what": "figure"},
        ),
        pdf=f"{RESULTS}/figures/calibration.pdf",
        png=f"{RESULTS}/figures/calibration.png",
    log:
        f"{RESULTS}/logs/figures/calibration.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/calibration.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        **calibration.settings.model_dump(),
        job=calibration.job(),
        code=code_digest("calibration_figure.py"),
    shell:
        "python workflow/scripts/calibration_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
