"""Compression rates: of every checkpoint of an inverse stage, and of the base models, on held-out text of each corpus.

SECOND is of rebound.smk.
"""

MEASURED_BASE = "{task}/rebound/{base}/{side}/{inverse_recipe}"


rule compression:
    """Measure every checkpoint of an inverse stage beside its base model."""
    input:
        checkpoints=rules.inverse.output.checkpoints,
        start=ancient(plan.base_checkpoints),
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
    threads: requests.compressing.threads
    resources:
        **requests.compressing.resources,
    params:
        job=compression.job,
        code=code_digest("compression_rates.py"),
    shell:
        launched(
            "workflow/scripts/compression_rates.py {params.job:q}"
            " --checkpoints {input.checkpoints:q} --base {input.start:q} --texts {input.texts:q}"
            " --rates {output.rates:q} > {log:q} 2>&1"
        )


rule base_compression:
    """Measure a base model, where the models on it are measured."""
    input:
        checkpoints=ancient(plan.base_checkpoints),
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
    threads: requests.base_compressing.threads
    resources:
        **requests.base_compressing.resources,
    params:
        job=compression.base_job,
        code=code_digest("compression_rates.py"),
    shell:
        launched(
            "workflow/scripts/compression_rates.py {params.job:q}"
            " --checkpoints {input.checkpoints:q} --base {input.checkpoints:q} --texts {input.texts:q}"
            " --rates {output.rates:q} > {log:q} 2>&1"
        )


rule coding:
    """Pack and restore texts of each corpus with a base model and an arithmetic coder."""
    input:
        start=ancient(plan.base_checkpoints),
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
    threads: requests.coding.threads
    resources:
        **requests.coding.resources,
    params:
        job=compression.arithmetic_coding_job,
        code=code_digest("compress_texts.py"),
    shell:
        launched(
            "workflow/scripts/compress_texts.py {params.job:q}"
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
        job=plan.rebound_table_job,
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


rule arithmetic_coding_table:
    """Packed texts, in bits per byte, beside what other compressors reach."""
    input:
        codes=compression.codes,
        base_rates=compression.base_rates,
        texts=compression.coded_texts,
    output:
        table=f"{RESULTS}/tables/arithmetic-coding-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/arithmetic-coding-{{experiment}}.html",
            caption="../report/arithmetic_coding_table.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "packed texts, table"},
        ),
    log:
        f"{RESULTS}/logs/tables/arithmetic-coding-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/arithmetic-coding-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=compression.arithmetic_coding_table_job,
        code=code_digest("arithmetic_coding_table.py"),
    shell:
        "python workflow/scripts/arithmetic_coding_table.py {params.job:q}"
        " --codes {input.codes:q} --base-rates {input.base_rates:q} --table {output.table:q} --html {output.html:q} > {log:q} 2>&1"


rule arithmetic_coding_figure:
    """Bits per byte of each corpus under each compressor."""
    input:
        table=rules.arithmetic_coding_table.output.table,
    output:
        svg=report(
            f"{RESULTS}/figures/arithmetic-coding-{{experiment}}.svg",
            caption="../report/arithmetic_coding_figure.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "packed texts"},
        ),
        pdf=f"{RESULTS}/figures/arithmetic-coding-{{experiment}}.pdf",
        png=f"{RESULTS}/figures/arithmetic-coding-{{experiment}}.png",
    log:
        f"{RESULTS}/logs/figures/arithmetic-coding-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/arithmetic-coding-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=plan.rebound_figure_job,
        code=code_digest("arithmetic_coding_figure.py"),
    shell:
        "python workflow/scripts/arithmetic_coding_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output:q} > {log:q} 2>&1"
