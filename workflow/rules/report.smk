"""Provenance, the elasticity cards, and the report: one page with verdicts, figures, tables and captions."""


# Record what made these results: the resolved study, digests, versions, hardware, seeds, the commit.
use rule job as provenance with:
    input:
        texts=expand("<results>/{task}/examples.parquet", task=study.tasks),
        results=pipeline.targets,
    output:
        study="<results>/provenance/study.yaml",
        provenance=report(
            "<results>/provenance/provenance.json",
            category="Data and models",
            labels={"task": "whole study", "what": "provenance"},
        ),
    log:
        "<logs>/provenance.log",
    params:
        **spec("provenance.py", pipeline.report.provenance_job),


# Everything that was measured of a base model, as one JSON file and one page.
use rule job as card with:
    input:
        tables=pipeline.report.card_tables,
        declared=pipeline.report.declared_claims,
        metrics=pipeline.report.card_metrics,
        provenance="<results>/provenance/provenance.json",
        template=template("card.html.jinja"),
    output:
        card=report(
            "<results>/cards/{base}.json",
            category="Cards",
            labels={"base": "{base}", "what": "card"},
        ),
        page="<results>/cards/{base}.html",
    log:
        "<logs>/cards/{base}.log",
    params:
        **spec("card.py", pipeline.report.card_job),
        files=options(folded=["metrics"]),


# Write the page of everything that the study is run for.
use rule job as report_page with:
    input:
        results=pipeline.report.inputs,
        provenance="<results>/provenance/provenance.json",
        template=template("page.html.jinja"),
    output:
        page="<results>/report.html",
    log:
        "<logs>/report.log",
    params:
        **spec("report.py", pipeline.report.page_job),
        files=options("provenance", "template", "page"),
