"""The springs: all corpora at once beside sequential training, and the elasticity theorem set against both.

REBOUND is of rebound.smk. A run has one checkpoint here: with another N everything is shuffled anew.
"""

JOINT = f"{REBOUND}/P{{alignment_size}}/{{inverse_recipe}}/joint/{{run_sizes}}"


rule joint:
    """Train a model from random weights on what pre-training, alignment stage and inverse stage saw, shuffled together."""
    input:
        texts=springs.texts,
        first=f"{RESULTS}/{{task}}/splits/{{side}}.parquet",
        second=springs.second,
        tokenizer=springs.tokenizer_made,
    output:
        checkpoints=temp(directory(f"{RESULTS}/{JOINT}/checkpoints")),
        amounts=f"{RESULTS}/{JOINT}/amounts.parquet",
        losses=f"{RESULTS}/{JOINT}/losses.parquet",
        metrics=f"{RESULTS}/{JOINT}/metrics.json",
    log:
        f"{RESULTS}/logs/{JOINT}/joint.log",
    benchmark:
        f"{RESULTS}/benchmarks/{JOINT}/joint.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.joint.threads
    resources:
        **requests.joint.resources,
    params:
        job=springs.joint_job,
        tokenizer=springs.tokenizer,
        code=code_digest("train_joint.py"),
        state=f"{RESULTS}/state",
    shell:
        launched_training(
            "workflow/scripts/train_joint.py {params.job:q}"
            " --texts {input.texts:q} --first {input.first:q} --second {input.second:q}"
            " --tokenizer {params.tokenizer:q} --state {params.state:q} --code {params.code} --checkpoints {output.checkpoints:q}"
            " --amounts {output.amounts:q} --losses {output.losses:q} --metrics {output.metrics:q} > {log:q} 2>&1"
        )


rule joint_compression:
    """Measure a jointly trained model as the others, beside the base model."""
    input:
        checkpoints=rules.joint.output.checkpoints,
        start=ancient(plan.base_checkpoints),
        made=plan.base_made,
        texts=compression.texts,
    output:
        rates=f"{RESULTS}/{JOINT}/compression.parquet",
    log:
        f"{RESULTS}/logs/{JOINT}/compression.log",
    benchmark:
        f"{RESULTS}/benchmarks/{JOINT}/compression.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.joint_compressing.threads
    resources:
        **requests.joint_compressing.resources,
    params:
        job=compression.job,
        code=code_digest("compression_rates.py"),
    shell:
        launched(
            "workflow/scripts/compression_rates.py {params.job:q}"
            " --checkpoints {input.checkpoints:q} --base {input.start:q} --texts {input.texts:q}"
            " --rates {output.rates:q} > {log:q} 2>&1"
        )


rule springs_table:
    """Changes of compression rates, their slopes, ratios, exponents and forces: means and intervals over seeds."""
    input:
        rates=springs.rates,
        joint_rates=springs.joint_rates,
        joint_amounts=springs.joint_amounts,
        base_losses=springs.base_losses,
        alignment_losses=springs.alignment_losses,
        inverse_losses=springs.inverse_losses,
    output:
        seeds=f"{RESULTS}/tables/seeds/springs-{{experiment}}.csv",
        table=f"{RESULTS}/tables/springs-{{experiment}}.csv",
        html=report(
            f"{RESULTS}/tables/springs-{{experiment}}.html",
            caption="../report/springs_table.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "springs: table"},
        ),
        ratios=f"{RESULTS}/tables/spring-ratios-{{experiment}}.csv",
        ratios_html=report(
            f"{RESULTS}/tables/spring-ratios-{{experiment}}.html",
            caption="../report/spring_ratios.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "springs: ratios"},
        ),
        exponents=f"{RESULTS}/tables/spring-exponents-{{experiment}}.csv",
        exponents_html=report(
            f"{RESULTS}/tables/spring-exponents-{{experiment}}.html",
            caption="../report/spring_exponents.rst",
            category="Compression",
            labels={"experiment": "{experiment}", "what": "springs: exponents"},
        ),
    log:
        f"{RESULTS}/logs/tables/springs-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/springs-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=springs.table_job,
        rates=plan.folded("rates"),
        joint_rates=plan.folded("joint_rates"),
        joint_amounts=plan.folded("joint_amounts"),
        code=code_digest("springs_table.py"),
    shell:
        "python workflow/scripts/springs_table.py {params.job:q} --rates {params.rates:q}"
        " --joint-rates {params.joint_rates:q} --joint-amounts {params.joint_amounts:q}"
        " --base-losses {input.base_losses:q} --alignment-losses {input.alignment_losses:q}"
        " --inverse-losses {input.inverse_losses:q}"
        " --seeds {output.seeds:q} --table {output.table:q} --html {output.html:q}"
        " --ratios {output.ratios:q} --ratios-html {output.ratios_html:q}"
        " --exponents {output.exponents:q} --exponents-html {output.exponents_html:q} > {log:q} 2>&1"


rule springs_figure:
    """Figure 1 of the paper as data, and the law of springs in series."""
    input:
        table=rules.springs_table.output.table,
    output:
        figures=[
            report(
                f"{RESULTS}/figures/springs-{{experiment}}.svg",
                caption="../report/springs_figure.rst",
                category="Compression",
                labels={"experiment": "{experiment}", "what": "springs: figure"},
            ),
            f"{RESULTS}/figures/springs-{{experiment}}.pdf",
            f"{RESULTS}/figures/springs-{{experiment}}.png",
        ],
        law=[
            report(
                f"{RESULTS}/figures/spring-law-{{experiment}}.svg",
                caption="../report/spring_law_figure.rst",
                category="Compression",
                labels={"experiment": "{experiment}", "what": "springs: law"},
            ),
            f"{RESULTS}/figures/spring-law-{{experiment}}.pdf",
            f"{RESULTS}/figures/spring-law-{{experiment}}.png",
        ],
    log:
        f"{RESULTS}/logs/figures/springs-{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/springs-{{experiment}}.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        job=springs.figure_job,
        code=code_digest("springs_figure.py"),
    shell:
        "python workflow/scripts/springs_figure.py {params.job:q}"
        " --table {input.table:q} --figures {output.figures:q} --law {output.law:q} > {log:q} 2>&1"
