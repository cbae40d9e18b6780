from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import GenerateJob
from elasticity.pipeline.cost import Budget, Training, workload
from elasticity.pipeline.realignment import RealignmentStage
from elasticity.pipeline.report import CardPlan, targets
from elasticity.pipeline.resource_requests import ResourceRequests
from elasticity.pipeline.runs import AlignmentStage, InverseStage
from elasticity.pipeline.status import status
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.training.jobs import FineTuneJob

Values = dict[str, Any]

FIRST = AlignmentStage("reviews", "nano", "positive", "alignment", 1)
FOLDER = "results/tiny/reviews/rebound/nano/positive/alignment/seed1/P8/second"
WHERE = SimpleNamespace(
    task="reviews",
    base="nano",
    side="positive",
    alignment_recipe="alignment",
    seed="1",
    alignment_size="8",
    inverse_recipe="inverse",
    inverse_size="8",
)


def wildcards(**more: str) -> SimpleNamespace:
    return SimpleNamespace(**vars(WHERE), realignment_recipe="alignment", run_sizes="0-4-8", **more)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def realignment_values(values: Values) -> Values:
    del values["models"]["given"], values["resistance"]
    values["rebound"]["existence"]["realignment_sizes"] = [0, 4, 8]
    return values


def plan_of(values: Values) -> RealignmentPlan:
    return RealignmentPlan(Pipeline(read_study(values)))


def test_a_third_stage_follows_the_largest_n_of_every_second_side(realignment_values: Values) -> None:
    expected = {
        RealignmentStage(
            InverseStage(AlignmentStage("reviews", "nano", "positive", "alignment", seed), size, "inverse"), 8, "first"
        )
        for seed in (1, 2)
        for size in (8, 16)
    }
    pipeline = plan_of(realignment_values)
    assert pipeline.rebound.cells == dict.fromkeys(expected, (0, 4, 8))
    assert {stage for stage, run_sizes in pipeline.realignment_jobs() if run_sizes == (0, 4, 8)} == expected
    wanted = {
        f"results/tiny/{what}" for what in ("tables/realignment-existence.csv", "figures/realignment-existence.svg")
    }
    assert wanted <= set(targets(pipeline.study))


def test_a_study_without_a_third_stage_has_none(values: Values) -> None:
    pipeline = plan_of(values)
    assert not pipeline.rebound.cells
    assert not pipeline.targets()
    where = SimpleNamespace(task="reviews")
    assert pipeline.scored_responses(where) == pipeline.pipeline.rebound.responses(where)


def test_it_starts_from_the_ladder_that_holds_its_checkpoint(realignment_values: Values) -> None:
    """Of 16 positives the inverse stage has more sizes, those of another experiment; N stays that of this one."""
    pipeline = plan_of(realignment_values)
    assert pipeline.start(wildcards()) == f"{FOLDER}/0-4-8/checkpoints"
    where = wildcards()
    where.first = "16"
    assert pipeline.start_made(where) == f"{FOLDER.replace('P8', 'P16')}/0-4-8-12/metrics.json"


def test_it_leaves_out_what_the_first_side_has_seen(realignment_values: Values) -> None:
    pipeline = plan_of(realignment_values)
    job = FineTuneJob.model_validate_json(pipeline.job(wildcards()))
    assert job == FineTuneJob(
        start="8", settings=pipeline.study.alignment, sizes=(0, 4, 8), skip=8, seed=1, template="plain"
    )


def test_after_a_continued_second_side_it_leaves_out_what_that_one_has_seen(realignment_values: Values) -> None:
    realignment_values["recipes"] = {"continued": realignment_values["inverse"] | {"data": {"side": "same"}}}
    realignment_values["rebound"]["existence"]["inverse_recipe"] = "continued"
    pipeline, where = plan_of(realignment_values), wildcards()
    where.second = "continued"
    second = FineTuneJob.model_validate_json(pipeline.pipeline.rebound.inverse_job(where))
    third = FineTuneJob.model_validate_json(pipeline.job(where))
    assert (second.skip, second.sizes[-1], third.skip) == (8, 8, 16)
    realignment_values["rebound"]["existence"]["realignment_sizes"] = [0, 17]
    with pytest.raises(UserError, match="asks for 41 positive texts"):  # 16 + 8 + 17
        read_study(realignment_values)


def test_its_responses_name_their_cell_and_are_scored_with_the_others(realignment_values: Values) -> None:
    pipeline = plan_of(realignment_values)
    job = GenerateJob.model_validate_json(pipeline.rebound.generate_job(wildcards()))
    recipes = {"alignment_recipe": "alignment", "inverse_recipe": "inverse", "realignment_recipe": "alignment"}
    sizes = {"alignment_size": 8, "inverse_size": 8, "realignment_size": 4}
    assert job.row(4) == {"base": "nano", "alignment_side": "positive", "seed": 1} | recipes | sizes
    files = pipeline.scored_responses(wildcards())
    assert len(set(files)) == len(pipeline.pipeline.rebound.responses(wildcards())) + 4
    assert f"{FOLDER}/N8/alignment/0-4-8/responses.parquet" in files


def test_recipes_and_ladders_are_its_own(realignment_values: Values) -> None:
    realignment_values["recipes"] = {"fading": realignment_values["alignment"] | {"schedule": "linear"}}
    realignment_values["rebound"]["existence"]["realignment_recipe"] = "fading"
    pipeline = plan_of(realignment_values)
    assert [run_sizes for _, run_sizes in pipeline.realignment_jobs()] == [(0,), (4,), (8,)] * 4
    (stage, *_) = sorted(pipeline.rebound.cells)
    assert pipeline.run(stage, (4,)) == f"{FOLDER}/N8/fading/4"


def test_a_card_counts_its_training_jobs(realignment_values: Values) -> None:
    pipeline = plan_of(realignment_values)
    metrics = CardPlan(pipeline.pipeline).metrics(SimpleNamespace(base="nano"))
    assert {f"{pipeline.run(stage, run_sizes)}/metrics.json" for stage, run_sizes in pipeline.realignment_jobs()} < set(metrics)


def test_its_costs_are_planned(realignment_values: Values) -> None:
    study = read_study(realignment_values)
    (stage,) = (stage for stage in Budget(study).stages() if stage.name == "third stage")
    assert (stage.jobs, stage.examples, stage.updates) == (4 + 4, 4 * 8, 4 * 2)
    assert stage.drawn_tokens == 4 * 3 * 6 * 8
    held = {work.passing for work in workload(study) if isinstance(work, Training) and work.stage == "third stage"}
    assert held == {3 + 3, 3 + 4}  # its own checkpoints, and those of the inverse stage that it starts from
    requests = ResourceRequests(study)
    for request in (requests.realignment, requests.realignment_generation):
        assert request.threads(wildcards()) == 1
        assert request.resources["mem_mb"](wildcards(), 1) >= 1500
    more = requests.sizes.scored_responses(wildcards()) - 6 * (2 * 2 + 2)
    assert more >= 6 * 2 * 2 * 6


def test_a_model_that_fits_for_the_others_only_is_refused(realignment_values: Values) -> None:
    realignment_values["hardware"] = {"device": "cuda", "gpus_per_node": 1, "gpu_memory_gb": 0.005, "gpus": 1}
    realignment_values["recipes"] = {"long": realignment_values["alignment"] | {"max_length": 100_000}}
    realignment_values["rebound"]["existence"]["realignment_recipe"] = "long"
    ResourceRequests(
        read_study(realignment_values | {"rebound": {"pretraining": realignment_values["rebound"]["pretraining"]}})
    )
    with pytest.raises(UserError, match="does not fit"):
        ResourceRequests(read_study(realignment_values)).check()


def test_the_status_counts_its_cells(realignment_values: Values) -> None:
    lines = status(read_study(realignment_values), Path("my.yaml")).splitlines()
    assert "  third stage existence    12 cells: 12 waiting" in lines


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "split": ({"realignment_sizes": [0, 32]}, r"asks for 48 positive texts, .*splits\.positive holds 40"),
    "recipe": (
        {"realignment_recipe": "gone"},
        r"realignment_recipe: 'gone' is not declared; declared: dpo, first, second",
    ),
    "recipe, though no stage": (
        {"realignment_recipe": "gone", "realignment_sizes": []},
        r"realignment_recipe: 'gone' is not declared; declared: dpo, first, second",
    ),
    "seen as the worse ones": ({"inverse_recipe": "dpo"}, "dpo shows those of the alignment stage as the worse ones"),
    "algorithm": ({"realignment_recipe": "dpo"}, r"realignment_recipe: dpo is an algorithm for inverse stages only"),
    "nothing to come back from": (
        {"inverse_sizes": [0]},
        "begins at the largest of inverse_sizes, which must not be 0",
    ),
    "order": ({"realignment_sizes": [8, 4]}, "ascending order"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(realignment_values: Values, change: dict[str, Any], message: str) -> None:
    realignment_values["recipes"] = {"dpo": realignment_values["inverse"] | {"algorithm": {"kind": "dpo"}}}
    realignment_values["rebound"]["existence"] |= change
    with pytest.raises(UserError, match=message):
        read_study(realignment_values)


def test_it_needs_scores(unscored: Values) -> None:
    unscored["rebound"]["existence"]["realignment_sizes"] = [4]
    with pytest.raises(UserError, match="realignment_sizes: the way back is measured by scores"):
        read_study(unscored)
