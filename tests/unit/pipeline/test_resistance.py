"""Resistance experiments in the graph: slices, twin data sets, tuning and cross-entropies."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from elasticity.analysis.jobs import ResistanceTableJob
from elasticity.evaluation.jobs import CrossEntropyJob, GenerateSlicesJob
from elasticity.pipeline.resistance import PATHS
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.training.jobs import FineTuneJob, SlicesJob, TuneJob
from tests.unit.pipeline import graph

pytestmark = pytest.mark.usefixtures("empty_folder")


def wildcards(**changes: object) -> SimpleNamespace:
    return graph.wildcards(experiment="slices", **changes)


def test_slices_are_checkpoints_of_one_run_over_three_parts(pipeline: Pipeline) -> None:
    resistance = pipeline.resistance
    job = SlicesJob.model_validate_json(resistance.slices_job(wildcards())).training
    assert job == FineTuneJob.model_validate_json(resistance.stored_slices_job(wildcards()))
    assert (job.start, job.sizes, job.responses_of_slice) == ("6", (8, 16, 24), None)
    assert [Path(part).stem for part in resistance.parts(wildcards())] == [f"resistance-{part}" for part in (1, 2, 3)]
    assert Path(resistance.twin_prompts(wildcards())).stem == "resistance-4"
    assert resistance.question_prompts(wildcards()) == "results/tiny/reviews/prompts/prompts.parquet"


@pytest.mark.parametrize(("start", "target", "checkpoint"), [(1, 2, "8"), (2, 1, "16"), (3, 1, "24")])
def test_tuning_starts_from_a_slice_and_trains_on_the_responses_of_another(
    pipeline: Pipeline, start: int, target: int, checkpoint: str
) -> None:
    where = wildcards(k=start, l=target)
    job = TuneJob.model_validate_json(pipeline.resistance.tune_job(where)).training
    stored = FineTuneJob.model_validate_json(pipeline.resistance.stored_tune_job(where))
    assert stored == job.model_copy(update={"sizes": (8,)})  # the start is measured from the checkpoint of the slice
    settings = pipeline.study.resistance["slices"].tuning
    assert job == FineTuneJob(
        start=checkpoint, settings=settings, sizes=(0, 8), seed=1, template="plain", responses_of_slice=target
    )


def test_every_pair_of_slices_is_tuned_in_both_directions() -> None:
    assert {tuple(sorted(path)) for path in PATHS} == {(1, 2), (1, 3), (2, 3)}
    assert set(PATHS) == {path[::-1] for path in PATHS}


def test_a_tuned_slice_is_measured_on_the_responses_of_its_target(pipeline: Pipeline) -> None:
    where = wildcards(k=3, l=1)
    job = TuneJob.model_validate_json(pipeline.resistance.tune_job(where))
    stored = CrossEntropyJob.model_validate_json(pipeline.resistance.cross_entropy_job(where))
    assert (stored.checkpoint, stored.cross_entropies, job.saved) == (8, job.cross_entropies, ())
    measured = job.cross_entropies
    assert (measured.slices, measured.path, measured.max_length) == ((8, 16, 24), (3, 1), 24)


def test_the_table_reads_files_in_the_order_of_the_runs(pipeline: Pipeline) -> None:
    table = pipeline.tables["resistance"]
    job = ResistanceTableJob.model_validate_json(table.job(wildcards()))
    assert job.runs == (("nano", 1), ("nano", 2), ("given", 1), ("given", 2))
    runs = [f"results/tiny/reviews/resistance/slices/{base}/seed{seed}" for base, seed in job.runs]
    folders = [f"{run}/tuned/{start}-{target}" for run in runs for start, target in job.paths]
    assert table.inputs["cross_entropies"](wildcards()) == [f"{it}/cross-entropies.parquet" for it in folders]
    assert table.inputs["losses"](wildcards()) == [f"{folder}/losses.parquet" for folder in folders]


def test_slices_generate_with_both_sampling_settings(pipeline: Pipeline) -> None:
    job = SlicesJob.model_validate_json(pipeline.resistance.slices_job(wildcards())).responses
    stored = GenerateSlicesJob.model_validate_json(pipeline.resistance.generate_slices_job(wildcards()))
    assert (stored.responses, stored.engine) == (job, "transformers")
    assert (job.twin_sampling.temperature, job.question_sampling.temperature) == (0.1, 1.0)
    assert job.checkpoints == (8, 16, 24)
    other = SlicesJob.model_validate_json(pipeline.resistance.slices_job(wildcards(seed=2))).responses
    assert job.twin_sampling.seed != other.twin_sampling.seed
    assert job.question_sampling.seed != other.question_sampling.seed
