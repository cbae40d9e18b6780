"""The score model of a task, trained here or elsewhere, and the scores of all responses."""


localrules:
    download_score_model,


# Train and test the classifier that scores the responses.
use rule job as score_model with:
    input:
        texts="<results>/{task}/splits/score-model.parquet",
    output:
        features="<results>/{task}/score-model/features.parquet",
        quality=report(
            "<results>/{task}/score-model/quality.json",
            category="Data and models",
            labels={"task": "{task}", "what": "score model"},
        ),
    log:
        "<logs>/{task}/score-model.log",
    wildcard_constraints:
        task=either(pipeline.scores.trained),
    priority: 200
    params:
        **spec("train_score_model.py", pipeline.scores.train_job),


# Download a score model from the hub, unless the hub's cache has it.
use rule download as download_score_model with:
    output:
        fetched="<results>/{task}/score-model/source/fetched.json",
    log:
        "<logs>/{task}/download-score-model.log",
    wildcard_constraints:
        task=either(pipeline.scores.given),
    resources:
        runtime=600,
    params:
        **spec("download_score_model.py", pipeline.scores.download_job),


# Validate a score model that was trained elsewhere: its gold pair, and its accuracy on labelled texts.
use rule model_job as validate_score_model with:
    input:
        score_model=pipeline.scores.files,
        texts=pipeline.scores.texts,
    output:
        quality=report(
            "<results>/{task}/score-model/quality.json",
            category="Data and models",
            labels={"task": "{task}", "what": "score model"},
        ),
    log:
        "<logs>/{task}/score-model.log",
    wildcard_constraints:
        task=either(pipeline.scores.given),
    priority: 200
    threads: pipeline.requests.validate_score_model.threads
    resources:
        **pipeline.requests.validate_score_model.resources,
    params:
        **spec("validate_score_model.py", pipeline.scores.job),


# Score all responses of a task; the score model is loaded once.
use rule model_job as score with:
    input:
        score_model=pipeline.scores.files,
        complete="<results>/{task}/score-model/quality.json",
        responses=pipeline.realignment.responses,
    output:
        scores="<results>/{task}/scores.parquet",
    log:
        "<logs>/{task}/score.log",
    benchmark:
        "<benchmarks>/{task}/score.tsv"
    threads: pipeline.requests.scoring.threads
    resources:
        **pipeline.requests.scoring.resources,
    params:
        **spec("score.py", pipeline.scores.job),
        files=options(folded=["responses"]),
