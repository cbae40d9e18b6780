"""The score model of a task, trained here or elsewhere, and the scores of all responses."""


localrules:
    fetch_score_model,


SCORE_MODEL = f"{RESULTS}/{{task}}/score-model"


rule score_model:
    """Train and test the classifier that score models the responses."""
    input:
        texts=f"{RESULTS}/{{task}}/splits/score-model.parquet",
    output:
        features=f"{SCORE_MODEL}/features.parquet",
        quality=report(
            f"{SCORE_MODEL}/quality.json",
            caption="../report/score_model.rst",
            category="Materials",
            labels={"task": "{task}", "what": "score model"},
        ),
    log:
        f"{RESULTS}/logs/{{task}}/score-model.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/score-model.tsv"
    wildcard_constraints:
        task=plan.either(plan.trained_score_models),
    priority: 200
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        job=plan.train_score_model_job,
        code=code_digest("train_score_model.py"),
    shell:
        "python workflow/scripts/train_score_model.py {params.job:q}"
        " --texts {input.texts:q} --features {output.features:q} --quality {output.quality:q} > {log:q} 2>&1"


rule fetch_score_model:
    """Fetch a score model from the hub, unless the hub's cache has it: may touch the network."""
    output:
        fetched=f"{SCORE_MODEL}/source/fetched.json",
    log:
        f"{RESULTS}/logs/{{task}}/fetch-score-model.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/fetch-score-model.tsv"
    wildcard_constraints:
        task=plan.either(plan.given_score_models),
    conda:
        "../../envs/elasticity.yaml"
    resources:
        mem_mb=1000,
        runtime=600,
    params:
        job=plan.fetch_score_model_job,
        code=code_digest("fetch_score_model.py"),
    shell:
        online(
            "python workflow/scripts/fetch_score_model.py {params.job:q}"
            " --fetched {output.fetched:q} > {log:q} 2>&1"
        )


rule try_score_model:
    """Try a score model that was trained elsewhere: its gold pair, and its accuracy on labelled texts."""
    input:
        score_model=plan.score_model_files,
        texts=plan.score_model_texts,
    output:
        quality=report(
            f"{SCORE_MODEL}/quality.json",
            caption="../report/score_model.rst",
            category="Materials",
            labels={"task": "{task}", "what": "score model"},
        ),
    log:
        f"{RESULTS}/logs/{{task}}/score-model.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/score-model.tsv"
    wildcard_constraints:
        task=plan.either(plan.given_score_models),
    priority: 200
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.trying.threads
    resources:
        **requests.trying.resources,
    params:
        job=plan.score_model_job,
        code=code_digest("validate_score_model.py"),
    shell:
        launched(
            "workflow/scripts/validate_score_model.py {params.job:q}"
            " --score_model {input.score_model:q} --texts {input.texts:q} --quality {output.quality:q} > {log:q} 2>&1"
        )


rule score:
    """Score all responses of a task; the score model is loaded once."""
    input:
        score_model=plan.score_model_files,
        quality=f"{SCORE_MODEL}/quality.json",
        responses=realignment.scored_responses,
    output:
        scores=f"{RESULTS}/{{task}}/scores.parquet",
    log:
        f"{RESULTS}/logs/{{task}}/score.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{task}}/score.tsv"
    conda:
        "../../envs/elasticity.yaml"
    threads: requests.scoring.threads
    resources:
        **requests.scoring.resources,
    params:
        job=plan.score_model_job,
        responses=plan.folded("responses"),
        code=code_digest("score.py"),
    shell:
        launched(
            "workflow/scripts/score.py {params.job:q}"
            " --score_model {input.score_model:q} --responses {params.responses:q} --scores {output.scores:q} > {log:q} 2>&1"
        )
