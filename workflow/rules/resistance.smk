"""Resistance (paper A): slices, twin data sets, forward and inverse tuning, cross-entropies.

Jobs that read temporary weights have a higher priority than jobs that write some, so that few are on disk at a time.
"""


# Fine-tune a base model on D1, D2, D3 in turn. Each slice generates its twin data set from D4's prompts, and the responses to
# measure on from held-out prompts, from the weights in memory. The weights stay until all tunings have started from them.
use rule training as slices with:
    input:
        start=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        examples=pipeline.resistance.parts,
        twin_prompts=pipeline.resistance.twin_prompts,
        question_prompts=pipeline.resistance.question_prompts,
    output:
        checkpoints=weights("<results>/<resistance>/slices/checkpoints"),
        losses="<results>/<resistance>/slices/losses.parquet",
        metrics="<results>/<resistance>/slices/metrics.json",
        twins="<results>/<resistance>/twins.parquet",
        questions="<results>/<resistance>/questions.parquet",
    log:
        "<logs>/<resistance>/slices.log",
    benchmark:
        "<benchmarks>/<resistance>/slices.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.measured_in_place),
    priority: 50
    threads: pipeline.requests.slices.threads
    resources:
        **pipeline.requests.slices.resources,
    params:
        **spec(
            "train_slices.py",
            pipeline.resistance.slices_job,
            pipeline.resistance.slices_algorithm,
        ),


# Choose prompts on which the entropies of two slices agree: the equal-entropy control.
use rule model_job as choose_prompts with:
    input:
        slices=pipeline.resistance.slices,
        twins=pipeline.resistance.twins,
        questions=pipeline.resistance.questions,
    output:
        chosen="<results>/<resistance>/chosen.parquet",
    log:
        "<logs>/<resistance>/choose-prompts.log",
    priority: 70
    threads: pipeline.requests.choosing.threads
    resources:
        **pipeline.requests.choosing.resources,
    params:
        **spec("choose_prompts.py", pipeline.resistance.choosing_job),


# Fine-tune slice k on the responses of slice l (forward if k < l, inverse if k > l), and measure it on such responses.
use rule training as tune with:
    input:
        start=pipeline.resistance.slices,
        examples=pipeline.resistance.twins,
        questions=pipeline.resistance.questions,
        chosen=pipeline.resistance.chosen,
    output:
        checkpoints=weights("<results>/<resistance>/tuned/{k}-{l}/checkpoints"),
        losses="<results>/<resistance>/tuned/{k}-{l}/losses.parquet",
        metrics="<results>/<resistance>/tuned/{k}-{l}/metrics.json",
        cross_entropies="<results>/<resistance>/tuned/{k}-{l}/cross-entropies.parquet",
    log:
        "<logs>/<resistance>/tuned/{k}-{l}.log",
    benchmark:
        "<benchmarks>/<resistance>/tuned/{k}-{l}.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.measured_in_place),
    priority: 60
    threads: pipeline.requests.tuning.threads
    resources:
        **pipeline.requests.tuning.resources,
    params:
        **spec(
            "tune_slice.py",
            pipeline.resistance.tune_job,
            pipeline.resistance.tuning_algorithm,
        ),
