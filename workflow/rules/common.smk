"""Paths, command lines and base rules that the other rule files share.

A path is written with path variables: `<results>/{task}/examples.parquet`. Every job is one command,
`python SCRIPT JOB --name PATH ...`, where JOB is its job spec as JSON and the options are the named inputs and outputs of
its rule (an input named `complete` only says that a folder beside it is whole). A rule therefore names its files and its
job spec, and takes everything else from one of the base rules below with `use rule ... as ... with`.

An input is a path, never `rules.NAME.output`: such an input makes Snakemake build that rule's job even where
`--allowed-rules` leaves the rule out, so a job on a cluster's node would run its predecessor again.
"""


pathvars:
    results=pipeline.results,
    logs=f"{pipeline.results}/logs",
    benchmarks=f"{pipeline.results}/benchmarks",
    stage="{task}/rebound/{base}/{side}/{alignment_recipe}/seed{seed}",
    alignment="<stage>/P/{run_sizes}",
    inverse="<stage>/P{alignment_size}/{inverse_recipe}/{run_sizes}",
    realignment="<stage>/P{alignment_size}/{inverse_recipe}/N{inverse_size}/{realignment_recipe}/{run_sizes}",
    joint="<stage>/P{alignment_size}/{inverse_recipe}/joint/{run_sizes}",
    measured_base="{task}/rebound/{base}/{side}/{inverse_recipe}",
    resistance="{task}/resistance/{experiment}/{base}/seed{seed}",
    tables=f"{pipeline.results}/tables",
    figures=f"{pipeline.results}/figures",


# Memory and time of a job that asks for nothing are the defaults of the profile.


rule job:
    """Base of jobs that compute on one processor core."""
    log:
        "<logs>/job.log",
    conda:
        "../../envs/elasticity.yaml"
    params:
        files=options(),
    shell:
        'python "$SCRIPTS"/{params.script} {params.job:q} {params.files} > {log:q} 2>&1'


rule download:
    """Base of jobs that may use the network."""
    log:
        "<logs>/download.log",
    conda:
        "../../envs/elasticity.yaml"
    params:
        files=options(),
    shell:
        online(
            'python "$SCRIPTS"/{params.script} {params.job:q} {params.files} > {log:q} 2>&1'
        )


rule model_job:
    """Base of jobs that generate with models or measure them, on GPUs where there are some."""
    log:
        "<logs>/model_job.log",
    conda:
        "../../envs/elasticity.yaml"
    params:
        files=options(),
    shell:
        launched(
            '"$SCRIPTS"/{params.script} {params.job:q} {params.files} > {log:q} 2>&1'
        )


rule training:
    """Base of jobs that train: possibly on several GPUs and nodes, and resumed from their last state."""
    log:
        "<logs>/training.log",
    conda:
        "../../envs/elasticity.yaml"
    params:
        files=options(),
        state=f"{pipeline.results}/state",
    shell:
        launched_training(
            '"$SCRIPTS"/{params.script} {params.job:q} {params.files}'
            " --state {params.state:q} --code {params.code} > {log:q} 2>&1"
        )
