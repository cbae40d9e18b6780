"""The score model, and the scores of all answers."""


rule score_model:
    """Train and test the classifier that judges the answers."""
    input:
        texts=f"{RESULTS}/{{task}}/pools/score-model.parquet",
    output:
        features=f"{RESULTS}/{{task}}/score-model/features.parquet",
        quality=report(
            f"{RESULTS}/{{task}}/score-model/quality.json",
            caption="../report/score_model.rst",
            category="Materials",
            labels={"task": "{task}", "what": "score model"},
        ),
    log:
        f"{RESULTS}/logs/{{task}}/score-model.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/score-model.tsv"
    priority: 200
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        job=plan.score_model_job,
        code=code_digest("train_score_model.py"),
    shell:
        "python workflow/scripts/train_score_model.py {params.job:q}"
        " --texts {input.texts:q} --features {output.features:q} --quality {output.quality:q} > {log:q} 2>&1"


rule score:
    """Score all answers of a task; the score model is loaded once."""
    input:
        features=rules.score_model.output.features,
        answers=plan.answers,
    output:
        scores=f"{RESULTS}/{{task}}/scores.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/score.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/score.tsv"
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        job=plan.score_job,
        code=code_digest("score.py"),
    shell:
        "python workflow/scripts/score.py {params.job:q}"
        " --features {input.features:q} --answers {input.answers:q} --scores {output.scores:q} > {log:q} 2>&1"
