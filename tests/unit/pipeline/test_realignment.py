"""The realignment stage in the graph: job specs, files, costs and status."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.jobs import RealignmentTableJob
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import MeasureJob
from elasticity.pipeline.planning.budget import Budget
from elasticity.pipeline.planning.workload import Training, workload
from elasticity.pipeline.realignment import RealignmentStage
from elasticity.pipeline.requests.resource_requests import ResourceRequests
from elasticity.pipeline.running.status import status
from elasticity.pipeline.runs import AlignmentStage, InverseStage
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.training.jobs import FineTuneJob, InverseJob

Values = dict[str, Any]

FOLDER = "results/tiny/reviews/rebound/nano/positive/alignment/seed1/P8/inverse"
WILDCARDS = {
    "task": "reviews",
    "base": "nano",
    "side": "positive",
    "alignment_recipe": "alignment",
    "seed": "1",
    "alignment_size": "8",
    "inverse_recipe": "inverse",
    "inverse_size": "8",
    "realignment_recipe": "alignment",
    "run_sizes": "0-4-8",
}


def wildcards(**changes: str) -> SimpleNamespace:
    return SimpleNamespace(**WILDCARDS | changes)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def realignment_values(values: Values) -> Values:
    del values["models"]["given"], values["resistance"]
    values["rebound"]["existence"]["realignment_sizes"] = [0, 4, 8]
    return values


def pipeline_of(values: Values) -> Pipeline:
    return Pipeline(read_study(values))


def test_realignment_follows_the_largest_inverse_size_of_every_inverse_stage(realignment_values: Values) -> None:
    expected = {
        RealignmentStage(
            InverseStage(AlignmentStage("reviews", "nano", "positive", "alignment", seed), size, "inverse"),
            8,
            "alignment",
        )
        for seed in (1, 2)
        for size in (8, 16)
    }
    pipeline = pipeline_of(realignment_values)
    assert pipeline.realignment.cells == dict.fromkeys(expected, (0, 4, 8))
    assert {stage for stage, run_sizes in pipeline.realignment.jobs() if run_sizes == (0, 4, 8)} == expected
    wanted = {
        f"results/tiny/{what}" for what in ("tables/realignment-existence.csv", "figures/realignment-existence.svg")
    }
    assert wanted <= set(pipeline.targets)


def test_a_study_without_realignment_sizes_has_no_realignment_stage(values: Values) -> None:
    pipeline = pipeline_of(values)
    assert not pipeline.realignment.cells
    assert not list(pipeline.realignment.jobs())
    assert not [target for target in pipeline.targets if "realignment" in target]
    where = SimpleNamespace(task="reviews")
    assert pipeline.realignment.responses(where) == pipeline.rebound.responses(where)


def test_realignment_starts_from_the_run_that_has_its_checkpoint(realignment_values: Values) -> None:
    """After P = 16 the inverse stage also has the sizes of another experiment; N stays that of this one."""
    realignment = pipeline_of(realignment_values).realignment
    assert realignment.start(wildcards()) == f"{FOLDER}/0-4-8/checkpoints"
    larger = wildcards(alignment_size="16")
    assert realignment.start_metrics(larger) == f"{FOLDER.replace('P8', 'P16')}/0-4-8-12/metrics.json"


def test_realignment_skips_the_examples_of_the_alignment_stage(realignment_values: Values) -> None:
    pipeline = pipeline_of(realignment_values)
    job = pipeline.realignment.training(wildcards())
    assert InverseJob.model_validate_json(pipeline.measurements.realignment_job(wildcards())).training == job
    assert job == FineTuneJob(
        start="8", settings=pipeline.study.alignment, sizes=(0, 4, 8), skip=8, seed=1, template="plain"
    )
    assert pipeline.realignment.algorithm(wildcards()) == pipeline.rebound.alignment_algorithm(wildcards())


def test_realignment_also_skips_the_examples_of_an_inverse_stage_on_the_same_side(realignment_values: Values) -> None:
    realignment_values["recipes"] = {"continued": realignment_values["inverse"] | {"data": {"side": "same"}}}
    realignment_values["rebound"]["existence"]["inverse_recipe"] = "continued"
    pipeline, where = pipeline_of(realignment_values), wildcards(inverse_recipe="continued")
    inverse, realignment = pipeline.rebound.inverse_training(where), pipeline.realignment.training(where)
    assert (inverse.skip, inverse.sizes[-1], realignment.skip) == (8, 8, 16)
    realignment_values["rebound"]["existence"]["realignment_sizes"] = [0, 17]
    with pytest.raises(UserError, match="needs 41 positive texts"):  # 16 + 8 + 17
        read_study(realignment_values)


def test_responses_after_realignment_name_their_cell_and_are_scored_with_the_others(realignment_values: Values) -> None:
    pipeline = pipeline_of(realignment_values)
    job = InverseJob.model_validate_json(pipeline.measurements.realignment_job(wildcards()))
    stored = MeasureJob.model_validate_json(pipeline.measurements.stored_realignment_job(wildcards()))
    assert (stored.checkpoints, stored.measurements) == (job.training.sizes, job.measurements)
    assert (job.measurements.divergence, job.measurements.compression, job.saved) == (False, None, ())
    recipes = {"alignment_recipe": "alignment", "inverse_recipe": "inverse", "realignment_recipe": "alignment"}
    sizes = {"alignment_size": 8, "inverse_size": 8, "realignment_size": 4}
    assert job.measurements.row(4) == {"base": "nano", "alignment_side": "positive", "seed": 1} | recipes | sizes
    files = pipeline.realignment.responses(wildcards())
    assert len(set(files)) == len(pipeline.rebound.responses(wildcards())) + 4
    assert f"{FOLDER}/N8/alignment/0-4-8/responses.parquet" in files


def test_the_weights_that_a_realignment_stage_starts_from_are_saved(realignment_values: Values) -> None:
    del realignment_values["rebound"]["pretraining"]
    pipeline, where = pipeline_of(realignment_values), wildcards(run_sizes="0-4-8")
    assert InverseJob.model_validate_json(pipeline.measurements.inverse_job(where)).saved == (8,)
    realignment_values["keep_checkpoints"] = True
    measurements = pipeline_of(realignment_values).measurements
    for job in (measurements.inverse_job(where), measurements.realignment_job(where)):
        assert InverseJob.model_validate_json(job).saved == (0, 4, 8)


def test_realignment_has_its_own_recipe_and_runs(realignment_values: Values) -> None:
    realignment_values["recipes"] = {"fading": realignment_values["alignment"] | {"schedule": "linear"}}
    realignment_values["rebound"]["existence"]["realignment_recipe"] = "fading"
    pipeline = pipeline_of(realignment_values)
    assert [run_sizes for _, run_sizes in pipeline.realignment.jobs()] == [(0,), (4,), (8,)] * 4
    (stage, *_) = sorted(pipeline.realignment.cells)
    assert pipeline.realignment.run(stage, (4,)) == f"{FOLDER}/N8/fading/4"
    table = pipeline.tables["realignment"]
    job = RealignmentTableJob.model_validate_json(table.job(SimpleNamespace(experiment="existence")))
    assert job.realignment.schedule == "linear"


def test_a_card_reads_the_metrics_of_realignment_jobs(realignment_values: Values) -> None:
    pipeline = pipeline_of(realignment_values)
    jobs = {f"{pipeline.realignment.run(*job)}/metrics.json" for job in pipeline.realignment.jobs()}
    assert len(jobs) == 4
    assert jobs < set(pipeline.report.card_metrics(SimpleNamespace(base="nano")))


def test_the_cost_and_the_requests_of_a_study_include_realignment(realignment_values: Values) -> None:
    study = read_study(realignment_values)
    (stage,) = (stage for stage in Budget(study).stages() if stage.name == "realignment")
    assert (stage.jobs, stage.examples, stage.updates) == (4, 4 * 8, 4 * 2)
    assert stage.drawn_tokens == 4 * 3 * 6 * 8
    held = {work.passing for work in workload(study) if isinstance(work, Training) and work.stage == "realignment"}
    assert held == {1}  # the checkpoint of the inverse stage that it starts from
    requests = ResourceRequests(study)
    for request in (requests.realignment, requests.stored_realignment):
        assert request.threads(wildcards()) == 1
        assert request.resources["mem_mb"](wildcards(), 1) >= 1500
    more = requests.sizes.scored_responses(wildcards()) - 6 * (2 * 2 + 2)
    assert more >= 6 * 2 * 2 * 6


def test_a_realignment_stage_that_does_not_fit_is_an_error(realignment_values: Values) -> None:
    realignment_values["hardware"] = {"device": "cuda", "gpus_per_node": 1, "gpu_memory_gb": 0.005, "gpus": 1}
    realignment_values["recipes"] = {"long": realignment_values["alignment"] | {"max_length": 100_000}}
    realignment_values["rebound"]["existence"]["realignment_recipe"] = "long"
    others = {"rebound": {"pretraining": realignment_values["rebound"]["pretraining"]}}
    ResourceRequests(read_study(realignment_values | others)).check()
    with pytest.raises(UserError, match="does not fit"):
        ResourceRequests(read_study(realignment_values)).check()


def test_the_status_counts_realignment_cells(realignment_values: Values) -> None:
    lines = status(read_study(realignment_values), Path("my.yaml")).splitlines()
    assert "  realignment existence    12 cells: 12 waiting" in lines


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "split": ({"realignment_sizes": [0, 32]}, r"needs 48 positive texts, .*splits\.positive holds 40"),
    "recipe": (
        {"realignment_recipe": "gone"},
        r"realignment_recipe: 'gone' is not declared; declared: alignment, dpo, inverse",
    ),
    "recipe without a stage": (
        {"realignment_recipe": "gone", "realignment_sizes": []},
        r"realignment_recipe: 'gone' is not declared; declared: alignment, dpo, inverse",
    ),
    "rejected examples": ({"inverse_recipe": "dpo"}, "dpo uses those of the alignment side as rejected ones"),
    "algorithm": ({"realignment_recipe": "dpo"}, r"realignment_recipe: dpo is an algorithm for inverse stages only"),
    "no inverse stage": (
        {"inverse_sizes": [0]},
        "begins at the largest of inverse_sizes, which must not be 0",
    ),
    "order": ({"realignment_sizes": [8, 4]}, "ascending order"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_in_realignment_are_reported(realignment_values: Values, change: dict[str, Any], message: str) -> None:
    realignment_values["recipes"] = {"dpo": realignment_values["inverse"] | {"algorithm": {"kind": "dpo"}}}
    realignment_values["rebound"]["existence"] |= change
    with pytest.raises(UserError, match=message):
        read_study(realignment_values)


def test_realignment_needs_a_score_model(unscored: Values) -> None:
    unscored["rebound"]["existence"]["realignment_sizes"] = [4]
    with pytest.raises(UserError, match="realignment_sizes: the realignment stage is measured by scores"):
        read_study(unscored)
