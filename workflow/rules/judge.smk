"""Tables, figures and provenance."""


rule rebound_table:
    """Mean scores and intervals over seeds."""
    input:
        scores=plan.rebound_scores,
        text statistics=text_statistics.table,
    output:
        seeds=f"{RESULTS}/tables/seeds/rebound-{{experiment}}.csv",
        table=f"{RESULTS}/tables/rebound-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/rebound-{{experiment}}.html",
            caption="../report/rebound_table.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "scores, table"},
        ),
    log:
        f"{RESULTS}/logs/tables/rebound-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/rebound-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_table_job,
        code=code_digest("rebound_table.py"),
    shell:
        "python workflow/scripts/rebound_table.py {params.job:q}"
        " --scores {input.scores:q} --text statistics {input.text statistics:q} --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule rebound_figure:
    """Score against N, one line per P, the base model dashed."""
    input:
        table=rules.rebound_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/rebound-{{experiment}}.svg",
            caption="../report/rebound_figure.rst",
            category="Rebound",
            labels={"experiment": "{experiment}", "what": "scores"},
        ),
        pdf=f"{RESULTS}/figures/rebound-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/rebound-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/rebound-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/rebound-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("rebound_figure.py"),
    shell:
        "python workflow/scripts/rebound_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"


rule divergence_table:
    """KL divergence from the base model: means and intervals over seeds."""
    input:
        divergences=plan.divergences,
    output:
        seeds=f"{RESULTS}/tables/seeds/divergence-{{experiment}}.csv",
        table=f"{RESULTS}/tables/divergence-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/divergence-{{experiment}}.html",
            caption="../report/divergence_table.rst",
            category="Rebound",
            labels={
                "experiment": "{experiment}",
                "what": "distance from the base model, table",
            },
        ),
    log:
        f"{RESULTS}/logs/tables/divergence-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/divergence-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_table_job,
        divergences=plan.folded("divergences"),
        code=code_digest("divergence_table.py"),
    shell:
        "python workflow/scripts/divergence_table.py {params.job:q}"
        " --divergences {params.divergences:q} --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule divergence_figure:
    """Divergence from the base model against N, one line per P."""
    input:
        table=rules.divergence_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/divergence-{{experiment}}.svg",
            caption="../report/divergence_figure.rst",
            category="Rebound",
            labels={
                "experiment": "{experiment}",
                "what": "distance from the base model",
            },
        ),
        pdf=f"{RESULTS}/figures/divergence-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/divergence-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/divergence-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/divergence-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("divergence_figure.py"),
    shell:
        "python workflow/scripts/divergence_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"


rule resistance_table:
    """Training loss, cross-entropy, own entropy, KL estimated and exact: means and intervals over seeds."""
    input:
        lengths=resistance.cross_entropies,
        losses=resistance.tuning_losses,
    output:
        seeds=f"{RESULTS}/tables/seeds/resistance-{{experiment}}.csv",
        table=f"{RESULTS}/tables/resistance-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/resistance-{{experiment}}.html",
            caption="../report/resistance_table.rst",
            category="Resistance",
            labels={"experiment": "{experiment}", "what": "table"},
        ),
    log:
        f"{RESULTS}/logs/tables/resistance-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/resistance-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=resistance.table_job,
        code=code_digest("resistance_table.py"),
    shell:
        "python workflow/scripts/resistance_table.py {params.job:q}"
        " --cross-entropies {input.lengths:q} --losses {input.losses:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule entropy_table:
    """Own entropies of the slices before and after prompts were chosen: means and intervals over seeds."""
    input:
        chosen=resistance.all_chosen,
    output:
        seeds=f"{RESULTS}/tables/seeds/entropies-{{experiment}}.csv",
        table=f"{RESULTS}/tables/entropies-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/entropies-{{experiment}}.html",
            caption="../report/entropy_table.rst",
            category="Resistance",
            labels={"experiment": "{experiment}", "what": "entropies, table"},
        ),
    log:
        f"{RESULTS}/logs/tables/entropies-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/entropies-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=resistance.table_job,
        code=code_digest("entropy_table.py"),
    shell:
        "python workflow/scripts/entropy_table.py {params.job:q} --chosen {input.chosen:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule resistance_figure:
    """Forward against inverse for each pair of slices."""
    input:
        table=rules.resistance_table.output.table,
        seeds=rules.resistance_table.output.seeds,
    output:
        svg=report(
            f"{RESULTS}/figures/resistance-{{experiment}}/{{base}}.svg",
            caption="../report/resistance_figure.rst",
            category="Resistance",
            labels={"experiment": "{experiment}", "what": "figure, {base}"},
        ),
        pdf=f"{RESULTS}/figures/resistance-{{experiment}}/{{base}}.pdf",
        png=f"{RESULTS}/figures/resistance-{{experiment}}/{{base}}.png",
    log:
        f"{RESULTS}/logs/figures/resistance-{{experiment}}/{{base}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/resistance-{{experiment}}/{{base}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=resistance.figure_job,
        code=code_digest("resistance_figure.py"),
    shell:
        "python workflow/scripts/resistance_figure.py {params.job:q}"
        " --table {input.table:q} --seeds {input.seeds:q} --figures {output:q} > {log:q} 2>&1"


rule bits_per_byte_table:
    """Bits per byte of held-out text under the base models."""
    input:
        lengths=f"{RESULTS}/{{task}}/bits-per-byte.parquet",
    output:
        table=f"{RESULTS}/tables/bits-per-byte-{{task}}.csv",
        html=report(
            f"{RESULTS}/tables/bits-per-byte-{{task}}.html",
            caption="../report/bits_per_byte_table.rst",
            category="Materials",
            labels={"task": "{task}", "what": "base models"},
        ),
    log:
        f"{RESULTS}/logs/tables/bits-per-byte-{{task}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/bits-per-byte-{{task}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.bits_per_byte_job,
        code=code_digest("bits_per_byte_table.py"),
    shell:
        "python workflow/scripts/bits_per_byte_table.py {params.job:q}"
        " --lengths {input.lengths:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule provenance:
    """What made these results: the resolved study, digests, versions, hardware, seeds, the commit."""
    input:
        texts=expand(f"{RESULTS}/{{task}}/examples.parquet", task=study.tasks),
        results=targets(study),
    output:
        study=f"{RESULTS}/provenance/study.yaml",
        provenance=report(
            f"{RESULTS}/provenance/provenance.json",
            caption="../report/provenance.rst",
            category="Materials",
            labels={"task": "whole study", "what": "provenance"},
        ),
    log:
        f"{RESULTS}/logs/provenance.log",
    benchmark:
        f"{RESULTS}/benchmarks/provenance.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.provenance_job(),
        code=code_digest("provenance.py"),
    shell:
        "python workflow/scripts/provenance.py {params.job:q}"
        " --texts {input.texts:q} --results {input.results:q}"
        " --study {output.study:q} --provenance {output.provenance:q} > {log:q} 2>&1"
