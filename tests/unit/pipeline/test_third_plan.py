from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import AnswerJob
from elasticity.pipeline.cost import Budget, Training, workload
from elasticity.pipeline.rebound import Plan, ThirdPlan, ThirdStage
from elasticity.pipeline.report import CardPlan, targets
from elasticity.pipeline.resource_requests import Demands
from elasticity.pipeline.runs import SecondSide, Trajectory
from elasticity.pipeline.status import status
from elasticity.training.jobs import FineTuneJob

Values = dict[str, Any]

FIRST = Trajectory("reviews", "nano", "positive", "first", 1)
FOLDER = "results/tiny/reviews/rebound/nano/positive/first/seed1/P8/second"
WHERE = SimpleNamespace(
    task="reviews", base="nano", side="positive", recipe="first", seed="1", first="8", second="second", last="8"
)


def wildcards(**more: str) -> SimpleNamespace:
    return SimpleNamespace(**vars(WHERE), third="first", ladder="0-4-8", **more)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def third_values(values: Values) -> Values:
    del values["models"]["given"], values["resistance"]
    values["rebound"]["existence"]["third_sizes"] = [0, 4, 8]
    return values


def plan_of(values: Values) -> ThirdPlan:
    return ThirdPlan(Plan(read_study(values)))


def test_a_third_stage_follows_the_largest_n_of_every_second_side(third_values: Values) -> None:
    expected = {
        ThirdStage(SecondSide(Trajectory("reviews", "nano", "positive", "first", seed), size, "second"), 8, "first")
        for seed in (1, 2)
        for size in (8, 16)
    }
    plan = plan_of(third_values)
    assert plan.cells == dict.fromkeys(expected, (0, 4, 8))
    assert {stage for stage, ladder in plan.third_stage_jobs() if ladder == (0, 4, 8)} == expected
    wanted = {f"results/tiny/{what}" for what in ("tables/third-existence.csv", "figures/third-existence.svg")}
    assert wanted <= set(targets(plan.study))


def test_a_study_without_a_third_stage_has_none(values: Values) -> None:
    plan = plan_of(values)
    assert not plan.cells
    assert not plan.targets()
    where = SimpleNamespace(task="reviews")
    assert plan.scored_answers(where) == plan.plan.answers(where)


def test_it_starts_from_the_ladder_that_holds_its_rung(third_values: Values) -> None:
    """Of 16 positives the second side has more sizes, those of another experiment; N stays that of this one."""
    plan = plan_of(third_values)
    assert plan.start(wildcards()) == f"{FOLDER}/0-4-8/rungs"
    where = wildcards()
    where.first = "16"
    assert plan.start_made(where) == f"{FOLDER.replace('P8', 'P16')}/0-4-8-12/metrics.json"


def test_it_leaves_out_what_the_first_side_has_seen(third_values: Values) -> None:
    plan = plan_of(third_values)
    job = FineTuneJob.model_validate_json(plan.job(wildcards()))
    assert job == FineTuneJob(
        start="8", settings=plan.study.first_side, sizes=(0, 4, 8), skip=8, seed=1, template="plain"
    )


def test_after_a_continued_second_side_it_leaves_out_what_that_one_has_seen(third_values: Values) -> None:
    third_values["recipes"] = {"continued": third_values["second_side"] | {"data": {"side": "same"}}}
    third_values["rebound"]["existence"]["second_recipe"] = "continued"
    plan, where = plan_of(third_values), wildcards()
    where.second = "continued"
    second = FineTuneJob.model_validate_json(plan.plan.second_side_job(where))
    third = FineTuneJob.model_validate_json(plan.job(where))
    assert (second.skip, second.sizes[-1], third.skip) == (8, 8, 16)
    third_values["rebound"]["existence"]["third_sizes"] = [0, 17]
    with pytest.raises(UserError, match="asks for 41 positive texts"):  # 16 + 8 + 17
        read_study(third_values)


def test_its_answers_name_their_cell_and_are_scored_with_the_others(third_values: Values) -> None:
    plan = plan_of(third_values)
    job = AnswerJob.model_validate_json(plan.answer_job(wildcards()))
    recipes = {"first_recipe": "first", "second_recipe": "second", "third_recipe": "first"}
    sizes = {"first_size": 8, "second_size": 8, "third_size": 4}
    assert job.row(4) == {"base": "nano", "first_side": "positive", "seed": 1} | recipes | sizes
    files = plan.scored_answers(wildcards())
    assert len(set(files)) == len(plan.plan.answers(wildcards())) + 4
    assert f"{FOLDER}/N8/first/0-4-8/answers.parquet" in files


def test_recipes_and_ladders_are_its_own(third_values: Values) -> None:
    third_values["recipes"] = {"fading": third_values["first_side"] | {"schedule": "linear"}}
    third_values["rebound"]["existence"]["third_recipe"] = "fading"
    plan = plan_of(third_values)
    assert [ladder for _, ladder in plan.third_stage_jobs()] == [(0,), (4,), (8,)] * 4
    (stage, *_) = sorted(plan.cells)
    assert plan.run(stage, (4,)) == f"{FOLDER}/N8/fading/4"


def test_a_card_counts_its_training_jobs(third_values: Values) -> None:
    plan = plan_of(third_values)
    metrics = CardPlan(plan.plan).metrics(SimpleNamespace(base="nano"))
    assert {f"{plan.run(stage, ladder)}/metrics.json" for stage, ladder in plan.third_stage_jobs()} < set(metrics)


def test_its_costs_are_planned(third_values: Values) -> None:
    study = read_study(third_values)
    (stage,) = (stage for stage in Budget(study).stages() if stage.name == "third stage")
    assert (stage.jobs, stage.examples, stage.updates) == (4 + 4, 4 * 8, 4 * 2)
    assert stage.drawn_tokens == 4 * 3 * 6 * 8
    held = {work.passing for work in workload(study) if isinstance(work, Training) and work.stage == "third stage"}
    assert held == {3 + 3, 3 + 4}  # its own rungs, and those of the second side that it starts from
    demands = Demands(study)
    for demand in (demands.third_side, demands.third_answering):
        assert demand.threads(wildcards()) == 1
        assert demand.resources["mem_mb"](wildcards(), 1) >= 1500
    more = demands.sizes.scored_answers(wildcards()) - 6 * (2 * 2 + 2)
    assert more >= 6 * 2 * 2 * 6


def test_a_model_that_fits_for_the_others_only_is_refused(third_values: Values) -> None:
    third_values["hardware"] = {"device": "cuda", "gpus_per_node": 1, "gpu_memory_gb": 0.005, "gpus": 1}
    third_values["recipes"] = {"long": third_values["first_side"] | {"max_length": 100_000}}
    third_values["rebound"]["existence"]["third_recipe"] = "long"
    Demands(read_study(third_values | {"rebound": {"pretraining": third_values["rebound"]["pretraining"]}}))
    with pytest.raises(UserError, match="does not fit"):
        Demands(read_study(third_values)).check()


def test_the_status_counts_its_cells(third_values: Values) -> None:
    lines = status(read_study(third_values), Path("my.yaml")).splitlines()
    assert "  third stage existence    12 cells: 12 waiting" in lines


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "pool": ({"third_sizes": [0, 32]}, r"asks for 48 positive texts, .*pools\.positive holds 40"),
    "recipe": ({"third_recipe": "gone"}, r"third_recipe: 'gone' is not declared; declared: dpo, first, second"),
    "recipe, though no stage": (
        {"third_recipe": "gone", "third_sizes": []},
        r"third_recipe: 'gone' is not declared; declared: dpo, first, second",
    ),
    "seen as the worse ones": ({"second_recipe": "dpo"}, "dpo shows those of the first side as the worse ones"),
    "algorithm": ({"third_recipe": "dpo"}, r"third_recipe: dpo is an algorithm for second sides only"),
    "nothing to come back from": ({"second_sizes": [0]}, "begins at the largest of second_sizes, which must not be 0"),
    "order": ({"third_sizes": [8, 4]}, "ascending order"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(third_values: Values, change: dict[str, Any], message: str) -> None:
    third_values["recipes"] = {"dpo": third_values["second_side"] | {"algorithm": {"kind": "dpo"}}}
    third_values["rebound"]["existence"] |= change
    with pytest.raises(UserError, match=message):
        read_study(third_values)


def test_it_needs_scores(unscored: Values) -> None:
    unscored["rebound"]["existence"]["third_sizes"] = [4]
    with pytest.raises(UserError, match="third_sizes: the way back is measured by scores"):
        read_study(unscored)
