"""The elasticity cards, and the report: one page with verdicts, figures, tables and captions."""


rule card:
    """What was measured of a base model, as one JSON file and one page."""
    input:
        tables=cards.tables,
        declared=cards.declared,
        metrics=cards.metrics,
        provenance=page.provenance,
        template="workflow/report/card.html.jinja",
    output:
        card=report(
            f"{RESULTS}/cards/{{base}}.json",
            caption="../report/card.rst",
            category="Cards",
            labels={"base": "{base}", "what": "card"},
        ),
        page=f"{RESULTS}/cards/{{base}}.html",
    log:
        f"{RESULTS}/logs/cards/{{base}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/cards/{{base}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=cards.job,
        metrics=plan.folded("metrics"),
        code=code_digest("card.py"),
    shell:
        "python workflow/scripts/card.py {params.job:q} --tables {input.tables:q} --declared {input.declared:q}"
        " --metrics {params.metrics:q} --provenance {input.provenance:q} --template {input.template:q}"
        " --page {output.page:q} --card {output.card:q} > {log:q} 2>&1"


rule report:
    """Write the page. What it shows is what the rules flag with report(...): read when all of them are known."""
    input:
        results=page.inputs,
        provenance=page.provenance,
        template="workflow/report/page.html.jinja",
        captions=report_flags.captions(),
    output:
        page=f"{RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/report.log",
    benchmark:
        f"{RESULTS}/benchmarks/report.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=lambda _: page.job(report_flags.showings(workflow.rules, page.inputs)),
        code=code_digest("report.py"),
    shell:
        "python workflow/scripts/report.py {params.job:q}"
        " --template {input.template:q} --provenance {input.provenance:q} --page {output.page:q} > {log:q} 2>&1"
