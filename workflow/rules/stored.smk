"""Stages whose models are measured from saved checkpoints, by jobs of their own.

These are the stages on base models that a process does not hold as a whole beside the state of their training, or whose
responses another engine generates. The files are those of the rules that measure in place. Measurements, which free the
weights, have the highest priority.
"""


use rule inverse as inverse_stored with:
    input:
        start=ancient(pipeline.rebound.inverse_start),
        complete=pipeline.rebound.inverse_start_metrics,
        examples=pipeline.rebound.inverse_splits,
        prompts=pipeline.rebound.inverse_prompts,
        score_model=pipeline.rebound.inverse_score_model,
    output:
        checkpoints=weights("<results>/<inverse>/checkpoints"),
        losses="<results>/<inverse>/losses.parquet",
        metrics="<results>/<inverse>/metrics.json",
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    params:
        **spec(
            "finetune.py",
            pipeline.rebound.inverse_stored_job,
            pipeline.rebound.inverse_algorithm,
        ),


use rule model_job as measure_inverse with:
    input:
        checkpoints="<results>/<inverse>/checkpoints",
        base=ancient(pipeline.measurements.base),
        weak=ancient(pipeline.rebound.weak),
        complete=pipeline.measurements.complete,
        response_prompts=pipeline.measurements.prompts,
        texts=pipeline.measurements.texts,
    output:
        responses="<results>/<inverse>/responses.parquet",
        divergences="<results>/<inverse>/divergences.parquet",
        compression="<results>/<inverse>/compression.parquet",
        text_statistics="<results>/<inverse>/text-statistics.parquet",
    log:
        "<logs>/<inverse>/measure.log",
    benchmark:
        "<benchmarks>/<inverse>/measure.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    priority: 70
    conda:
        f"../../envs/{pipeline.generation_environment}.yaml"
    threads: pipeline.requests.stored_inverse.threads
    resources:
        **pipeline.requests.stored_inverse.resources,
    params:
        **spec("measure.py", pipeline.measurements.stored_inverse_job),


use rule realignment as realignment_stored with:
    input:
        start=pipeline.realignment.start,
        complete=pipeline.realignment.start_metrics,
        examples="<results>/{task}/splits/{side}.parquet",
    output:
        checkpoints=weights("<results>/<realignment>/checkpoints"),
        losses="<results>/<realignment>/losses.parquet",
        metrics="<results>/<realignment>/metrics.json",
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    params:
        **spec(
            "finetune.py",
            pipeline.realignment.stored_job,
            pipeline.realignment.algorithm,
        ),


use rule model_job as measure_realignment with:
    input:
        checkpoints="<results>/<realignment>/checkpoints",
        weak=ancient(pipeline.rebound.weak),
        complete=pipeline.rebound.weak_metrics,
        response_prompts=pipeline.measurements.prompts,
    output:
        responses="<results>/<realignment>/responses.parquet",
    log:
        "<logs>/<realignment>/measure.log",
    benchmark:
        "<benchmarks>/<realignment>/measure.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    priority: 70
    conda:
        f"../../envs/{pipeline.generation_environment}.yaml"
    threads: pipeline.requests.stored_realignment.threads
    resources:
        **pipeline.requests.stored_realignment.resources,
    params:
        **spec("measure.py", pipeline.measurements.stored_realignment_job),


use rule joint as joint_stored with:
    input:
        pretraining=pipeline.springs.texts,
        alignment="<results>/{task}/splits/{side}.parquet",
        inverse=pipeline.springs.inverse,
        complete=pipeline.springs.tokenizer_file,
    output:
        checkpoints=weights("<results>/<joint>/checkpoints"),
        amounts="<results>/<joint>/amounts.parquet",
        losses="<results>/<joint>/losses.parquet",
        metrics="<results>/<joint>/metrics.json",
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    params:
        **spec("train_joint.py", pipeline.springs.joint_stored_job),


use rule model_job as measure_joint with:
    input:
        checkpoints="<results>/<joint>/checkpoints",
        base=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        texts=pipeline.compression.texts,
    output:
        compression="<results>/<joint>/compression.parquet",
    log:
        "<logs>/<joint>/measure.log",
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    priority: 70
    threads: pipeline.requests.stored_joint.threads
    resources:
        **pipeline.requests.stored_joint.resources,
    params:
        **spec("measure.py", pipeline.measurements.stored_joint_job),


use rule slices as slices_stored with:
    input:
        start=ancient(pipeline.models.base_checkpoints),
        complete=pipeline.models.base_metrics,
        examples=pipeline.resistance.parts,
    output:
        checkpoints=weights("<results>/<resistance>/slices/checkpoints"),
        losses="<results>/<resistance>/slices/losses.parquet",
        metrics="<results>/<resistance>/slices/metrics.json",
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    params:
        **spec(
            "finetune.py",
            pipeline.resistance.stored_slices_job,
            pipeline.resistance.slices_algorithm,
        ),


use rule model_job as generate_slices with:
    input:
        checkpoints="<results>/<resistance>/slices/checkpoints",
        twin_prompts=pipeline.resistance.twin_prompts,
        question_prompts=pipeline.resistance.question_prompts,
    output:
        twins="<results>/<resistance>/twins.parquet",
        questions="<results>/<resistance>/questions.parquet",
    log:
        "<logs>/<resistance>/generate-slices.log",
    benchmark:
        "<benchmarks>/<resistance>/generate-slices.tsv"
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    priority: 70
    conda:
        f"../../envs/{pipeline.generation_environment}.yaml"
    threads: pipeline.requests.slice_generation.threads
    resources:
        **pipeline.requests.slice_generation.resources,
    params:
        **spec("generate_slices.py", pipeline.resistance.generate_slices_job),


use rule tune as tune_stored with:
    input:
        start=pipeline.resistance.slices,
        examples=pipeline.resistance.twins,
        chosen=pipeline.resistance.chosen,
    output:
        checkpoints=weights("<results>/<resistance>/tuned/{k}-{l}/checkpoints"),
        losses="<results>/<resistance>/tuned/{k}-{l}/losses.parquet",
        metrics="<results>/<resistance>/tuned/{k}-{l}/metrics.json",
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    params:
        **spec(
            "finetune.py",
            pipeline.resistance.stored_tune_job,
            pipeline.resistance.tuning_algorithm,
        ),


use rule model_job as cross_entropy with:
    input:
        slices=pipeline.resistance.slices,
        tuned="<results>/<resistance>/tuned/{k}-{l}/checkpoints",
        questions=pipeline.resistance.questions,
        chosen=pipeline.resistance.chosen,
    output:
        cross_entropies="<results>/<resistance>/tuned/{k}-{l}/cross-entropies.parquet",
    log:
        "<logs>/<resistance>/tuned/{k}-{l}/cross-entropy.log",
    wildcard_constraints:
        base=either(pipeline.requests.stored),
    priority: 70
    threads: pipeline.requests.cross_entropy.threads
    resources:
        **pipeline.requests.cross_entropy.resources,
    params:
        **spec("cross_entropy.py", pipeline.resistance.cross_entropy_job),
