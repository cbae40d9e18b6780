"""Compression rates: of every rung of a second side, and of the base models, on held-out text of each corpus.

SECOND is of rebound.smk.
"""

MEASURED_BASE = "{task}/rebound/{base}/{side}/{second}"


rule compression:
    """Measure every rung of a second side beside its base model."""
    input:
        rungs=rules.second_side.output.rungs,
        start=ancient(plan.base_rungs),
        made=plan.base_made,
        texts=compression.texts,
    output:
        rates=f"{RESULTS}/{SECOND}/compression.parquet",
    log:
        f"{RESULTS}/logs/{SECOND}/compression.log",
    benchmark:
        f"{RESULTS}/benchmarks/{SECOND}/compression.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.compressing.threads
    resources:
        **demands.compressing.resources,
    params:
        job=compression.job,
        code=code_digest("compression_rates.py"),
    shell:
        launched(
            "workflow/scripts/compression_rates.py {params.job:q}"
            " --rungs {input.rungs:q} --base {input.start:q} --texts {input.texts:q}"
            " --rates {output.rates:q} > {log:q} 2>&1"
        )


rule base_compression:
    """Measure a base model, where the models on it are measured."""
    input:
        rungs=ancient(plan.base_rungs),
        made=plan.base_made,
        texts=compression.texts,
    output:
        rates=f"{RESULTS}/{MEASURED_BASE}/compression.parquet",
    log:
        f"{RESULTS}/logs/{MEASURED_BASE}/compression.log",
    benchmark:
        f"{RESULTS}/benchmarks/{MEASURED_BASE}/compression.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.base_compressing.threads
    resources:
        **demands.base_compressing.resources,
    params:
        job=compression.base_job,
        code=code_digest("compression_rates.py"),
    shell:
        launched(
            "workflow/scripts/compression_rates.py {params.job:q}"
            " --rungs {input.rungs:q} --base {input.rungs:q} --texts {input.texts:q}"
            " --rates {output.rates:q} > {log:q} 2>&1"
        )


rule coding:
    """Pack and restore texts of each corpus with a base model and an arithmetic coder."""
    input:
        start=ancient(plan.base_rungs),
        made=plan.base_made,
        texts=compression.texts,
    output:
        codes=f"{RESULTS}/{MEASURED_BASE}/coding.parquet",
    log:
        f"{RESULTS}/logs/{MEASURED_BASE}/coding.log",
    benchmark:
        f"{RESULTS}/benchmarks/{MEASURED_BASE}/coding.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: demands.coding.threads
    resources:
        **demands.coding.resources,
    params:
        job=compression.coding_job,
        code=code_digest("coding.py"),
    shell:
        launched(
            "workflow/scripts/coding.py {params.job:q}"
            " --base {input.start:q} --texts {input.texts:q} --codes {output.codes:q} > {log:q} 2>&1"
        )


rule compression_table:
    """Compression rates and distances from the base model: means and intervals over seeds."""
    input:
        rates=compression.rates,
        base_rates=compression.base_rates,
    output:
        seeds=f"{RESULTS}/tables/seeds/compression-{{experiment}}.csv",
        table=f"{RESULTS}/tables/compression-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/compression-{{experiment}}.html",
            caption="../report/compression_table.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "table"},
        ),
    log:
        f"{RESULTS}/logs/tables/compression-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/compression-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_judge_job,
        rates=plan.folded("rates"),
        code=code_digest("compression_table.py"),
    shell:
        "python workflow/scripts/compression_table.py {params.job:q}"
        " --rates {params.rates:q} --base-rates {input.base_rates:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule compression_figure:
    """Compression rates of each corpus against N, and distances from the base model."""
    input:
        table=rules.compression_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/compression-{{experiment}}.svg",
            caption="../report/compression_figure.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "compression rates"},
        ),
        pdf=f"{RESULTS}/figures/compression-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/compression-{{experiment}}.png",
        distances_svg=report(
            f"{RESULTS}/figures/distance-{{experiment}}.svg",
            caption="../report/distance_figure.rst",
            category="Compression",
            labels={
                "experiment": "{experiment}",
                "what": "distance from the base model",
            },
        ),
        distances_pdf=f"{RESULTS}/figures/distance-{{experiment}}.pdf",
        distances_png=f"{RESULTS}/figures/distance-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/compression-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/compression-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("compression_figure.py"),
    shell:
        "python workflow/scripts/compression_figure.py {params.job:q} --table {input.table:q}"
        " --rates {output.svg:q} {output.pdf:q} {output.png:q}"
        " --distances {output.distances_svg:q} {output.distances_pdf:q} {output.distances_png:q} > {log:q} 2>&1"


rule coding_table:
    """Packed texts, in bits per byte, beside what other compressors reach."""
    input:
        codes=compression.codes,
        base_rates=compression.base_rates,
        texts=compression.coded_texts,
    output:
        table=f"{RESULTS}/tables/coding-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/coding-{{experiment}}.html",
            caption="../report/coding_table.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "packed texts, table"},
        ),
    log:
        f"{RESULTS}/logs/tables/coding-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/coding-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=compression.coding_judge_job,
        code=code_digest("coding_table.py"),
    shell:
        "python workflow/scripts/coding_table.py {params.job:q}"
        " --codes {input.codes:q} --base-rates {input.base_rates:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule coding_figure:
    """Bits per byte of each corpus under each compressor."""
    input:
        table=rules.coding_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/coding-{{experiment}}.svg",
            caption="../report/coding_figure.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "packed texts"},
        ),
        pdf=f"{RESULTS}/figures/coding-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/coding-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/coding-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/coding-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("coding_figure.py"),
    shell:
        "python workflow/scripts/coding_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
