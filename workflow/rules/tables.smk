"""One rule for each table: `rebound_table`, `measures_table`, ... A table is a module of elasticity/analysis/tables."""

for table in pipeline.tables:

    # What the table is, its inputs and outputs stand in its module and in elasticity/pipeline/reporting/tables.py.
    rule:
        name:
            f"{table.name}_table"
        input:
            **table.inputs,
        output:
            **table.outputs(report),
        log:
            f"<logs>/tables/{table.stem}.log",
        wildcard_constraints:
            **table.constraints,
        conda:
            "../../envs/elasticity.yaml"
        params:
            **spec("table.py", table.job, table.modules, table.name),
            files=options(folded=table.folded),
        shell:
            'python "$SCRIPTS"/{params.script} {params.job:q} {params.files} > {log:q} 2>&1'
