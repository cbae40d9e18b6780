"""One rule for each figure: `rebound_figure`, `verdicts_figure`, ... A figure is a function in elasticity/plots."""

for figure in pipeline.figures:

    # What the figure is drawn from, and for which experiments, stands beside its function.
    rule:
        name:
            f"{figure.rule}_figure"
        input:
            tables=figure.tables,
        output:
            figures=[report(figure.files[0], **figure.shown), *figure.files[1:]],
        log:
            f"<logs>/figures/{figure.stem}.log",
        wildcard_constraints:
            **figure.constraints,
        conda:
            "../../envs/elasticity.yaml"
        params:
            **spec("figure.py", figure.job, figure.modules, figure.name),
            files=options(),
        shell:
            'python "$SCRIPTS"/{params.script} {params.job:q} {params.files} > {log:q} 2>&1'
