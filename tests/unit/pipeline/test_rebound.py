"""Rebound experiments in the graph: cells, runs, job specs, and the responses of their models."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.jobs import ReboundTableJob
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import MeasureJob, Measurements
from elasticity.pipeline.planning.workload import cells
from elasticity.pipeline.runs import AlignmentStage, InverseStage
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.training.jobs import FineTuneJob, InverseJob
from tests.conftest import ROOT
from tests.unit.pipeline.graph import wildcards

Values = dict[str, Any]

ALIGNMENT = AlignmentStage("reviews", "nano", "positive", "alignment", 1)
INVERSE = InverseStage(ALIGNMENT, 16, "inverse")

pytestmark = pytest.mark.usefixtures("empty_folder")


def measured(pipeline: Pipeline, where: SimpleNamespace) -> Measurements:
    """Return what the job of an inverse run measures."""
    return InverseJob.model_validate_json(pipeline.measurements.inverse_job(where)).measurements


def finish(folder: str) -> None:
    """Create the output of a finished training job."""
    path = Path("results/tiny") / folder / "metrics.json"
    path.parent.mkdir(parents=True)
    path.touch()


# Cells


def test_cells_of_all_experiments_are_merged(pipeline: Pipeline) -> None:
    nano = {8: (0, 4, 8), 16: (0, 4, 8, 12)}
    checkpoint = {16: (0, 8, 12)}
    assert pipeline.rebound.cells == {
        InverseStage(AlignmentStage("reviews", base, "positive", "alignment", seed), size, "inverse"): run_sizes
        for base, sizes in (("nano", nano), ("nano-step3", checkpoint))
        for seed in (1, 2)
        for size, run_sizes in sizes.items()
    }


def test_an_experiment_with_few_seeds_trains_only_those(values: Values) -> None:
    values["recipes"] = {"slow": values["inverse"] | {"learning_rate": 0.001}}
    values["rebound"]["few"] = values["rebound"]["existence"] | {"inverse_recipe": "slow", "max_seeds": 1}
    pipeline = Pipeline(read_study(values))
    slow = {inverse.alignment.seed for inverse in pipeline.rebound.cells if inverse.recipe == "slow"}
    others = {inverse.alignment.seed for inverse in pipeline.rebound.cells if inverse.recipe == "inverse"}
    assert (slow, others) == ({1}, {1, 2})
    runs = pipeline.rebound.experiment_runs(pipeline.study.rebound["few"])
    assert {inverse.alignment.seed for inverse, _ in runs} == {1}


def test_shared_cells_are_counted_once(pipeline: Pipeline) -> None:
    assert cells(pipeline.study) == 2 * (3 + 4 + 3)


def test_every_cell_belongs_to_one_job(pipeline: Pipeline) -> None:
    trained = [(inverse, size) for inverse, run_sizes in pipeline.rebound.inverse_jobs() for size in run_sizes]
    cells = {(inverse, size) for inverse, run_sizes in pipeline.rebound.cells.items() for size in run_sizes}
    assert len(trained) == len(cells)
    assert set(trained) == cells


def test_sides_base_models_and_seeds_have_alignment_stages_of_their_own(values: Values) -> None:
    values["rebound"]["reversed"] = values["rebound"]["existence"] | {"direction": "reversed"}
    one_seed = Pipeline(read_study(values | {"seeds": [1]})).rebound.alignment_sizes
    added = Pipeline(read_study(values)).rebound.alignment_sizes.keys() - one_seed.keys()
    assert {(stage.base, stage.alignment_side) for stage in added} == {
        ("nano", "positive"),
        ("nano", "negative"),
        ("nano-step3", "positive"),
    }
    assert {stage.seed for stage in added} == {2}


# Runs


def test_a_new_study_has_one_run_for_each_stage(pipeline: Pipeline) -> None:
    assert pipeline.rebound.alignment_runs(ALIGNMENT) == [(8, 16)]
    assert pipeline.rebound.inverse_runs(INVERSE) == [(0, 4, 8, 12)]


def test_sizes_that_are_no_checkpoints_have_runs_of_their_own(values: Values) -> None:
    values["inverse"]["schedule"] = "linear"
    pipeline = Pipeline(read_study(values))
    assert pipeline.rebound.alignment_runs(ALIGNMENT) == [(8, 16)]
    assert pipeline.rebound.inverse_runs(INVERSE) == [(0,), (4,), (8,), (12,)]


def test_an_added_size_is_a_new_run_beside_the_finished_one(values: Values) -> None:
    folder = "reviews/rebound/nano/positive/alignment/seed1"
    finish(f"{folder}/P/8-16")
    finish(f"{folder}/P16/inverse/0-4-8-12")
    values["rebound"]["existence"] |= {"alignment_sizes": [8, 16, 24], "inverse_sizes": [0, 4, 8, 16]}
    rebound = Pipeline(read_study(values)).rebound
    assert rebound.alignment_runs(ALIGNMENT) == [(8, 16), (24,)]
    assert rebound.inverse_runs(INVERSE) == [(0, 4, 8, 12), (16,)]
    other_seed = AlignmentStage("reviews", "nano", "positive", "alignment", 2)
    assert rebound.alignment_runs(other_seed) == [(8, 16, 24)]
    assert rebound.inverse_start(wildcards(alignment_size=24)) == f"results/tiny/{folder}/P/24/checkpoints"
    assert rebound.inverse_start_metrics(wildcards(alignment_size=24)) == f"results/tiny/{folder}/P/24/metrics.json"


def test_an_inverse_stage_starts_from_the_run_that_has_its_checkpoint(pipeline: Pipeline) -> None:
    start = pipeline.rebound.inverse_start(wildcards(alignment_size=16))
    assert start.endswith("nano/positive/alignment/seed1/P/8-16/checkpoints")


# Job specs


def test_an_alignment_stage_starts_from_the_checkpoint_of_its_base_model(pipeline: Pipeline) -> None:
    for base, checkpoint in (("nano-step3", "3"), ("nano", "6")):
        job = FineTuneJob.model_validate_json(pipeline.rebound.alignment_job(wildcards(base=base, run_sizes="8-16")))
        settings = pipeline.study.alignment
        assert job == FineTuneJob(start=checkpoint, settings=settings, sizes=(8, 16), seed=1, template="plain")
        assert pipeline.models.base_checkpoints(wildcards(base=base)) == "results/tiny/models/nano/checkpoints"


def test_an_inverse_stage_is_trained_on_the_opposite_side(pipeline: Pipeline) -> None:
    for side, other in (("positive", "negative"), ("negative", "positive")):
        assert pipeline.rebound.inverse_splits(wildcards(side=side)) == [f"results/tiny/reviews/splits/{other}.parquet"]
    where = wildcards(alignment_size=16, run_sizes="0-4", seed=2)
    job = InverseJob.model_validate_json(pipeline.measurements.inverse_job(where)).training
    assert job == FineTuneJob.model_validate_json(pipeline.rebound.inverse_stored_job(where))
    assert job == FineTuneJob(start="16", settings=pipeline.study.inverse, sizes=(0, 4), seed=2, template="plain")


def test_the_answers_of_a_task_are_those_that_its_stages_learn(values: dict[str, Any]) -> None:
    values["tasks"]["reviews"] |= {"template": "conversation", "answers": "all"}
    pipeline = Pipeline(read_study(values))
    aligned = FineTuneJob.model_validate_json(pipeline.rebound.alignment_job(wildcards(run_sizes="8-16")))
    where = wildcards(alignment_size=16, run_sizes="0-4")
    assert aligned.answers == pipeline.rebound.inverse_training(where).answers == "all"
    values["tasks"]["reviews"]["template"] = "plain"
    with pytest.raises(UserError, match=r"answers: all needs the template conversation or chat"):
        read_study(values)


def test_responses_name_their_cell(pipeline: Pipeline) -> None:
    where = wildcards(alignment_size=16, run_sizes="0-4")
    assert measured(pipeline, where).row(4) == {
        "base": "nano",
        "alignment_side": "positive",
        "alignment_recipe": "alignment",
        "inverse_recipe": "inverse",
        "seed": 1,
        "alignment_size": 16,
        "inverse_size": 4,
    }
    base = MeasureJob.model_validate_json(pipeline.measurements.base_job(wildcards(base="nano-step3")))
    assert (base.measurements.row(3), base.checkpoints) == ({"base": "nano-step3"}, (3,))


@pytest.mark.parametrize(("asked", "drawn"), [(8, 8), (1, 2)])
def test_a_base_model_is_sampled_for_each_seed_and_a_cell_once(values: Values, asked: int, drawn: int) -> None:
    values["sampling"]["base_draws"] = asked
    pipeline = Pipeline(read_study(values))
    base = MeasureJob.model_validate_json(pipeline.measurements.base_job(wildcards(base="nano"))).measurements
    cell = measured(pipeline, wildcards(alignment_size=16, run_sizes="0-4-8-12"))
    assert base.responses is not None
    assert cell.responses is not None
    assert (base.responses.draws, cell.responses.draws) == (drawn, 1)
    assert base.responses.sampling.model_copy(update={"seed": cell.responses.sampling.seed}) == cell.responses.sampling


def test_training_seeds_have_random_numbers_of_their_own_and_their_cells_share_them(pipeline: Pipeline) -> None:
    """Or the means of all seeds share an error that a test over seeds does not see."""

    def seed(training_seed: int, size: int) -> int:
        run_sizes = "0-4-8-12" if size == 16 else "0-4-8"
        found = measured(pipeline, wildcards(seed=training_seed, alignment_size=size, run_sizes=run_sizes)).responses
        assert found is not None
        return found.sampling.seed

    assert seed(1, 8) == seed(1, 16) != seed(2, 16)
    drawn = {pipeline.study.sampling.of_draw(draw).seed for draw in range(100)}
    assert not drawn & {seed(1, 16), seed(2, 16)}


def test_divergences_are_measured_from_the_base_model(pipeline: Pipeline) -> None:
    where = wildcards(base="nano-step3", alignment_size=16, run_sizes="0-8-12")
    job = measured(pipeline, where)
    assert (job.base, job.base_checkpoint, job.cell) == ("nano-step3", 3, pipeline.rebound.cell(where))


def test_a_run_is_measured_as_any_of_its_experiments_asks(values: Values) -> None:
    """Both experiments have the run after P = 16 of nano; only one has the others."""
    values["rebound"]["existence"] |= {"divergence": True, "text_statistics": True}
    pipeline = Pipeline(read_study(values))
    shared = measured(pipeline, wildcards(alignment_size=16, run_sizes="0-4-8-12"))
    assert (shared.divergence, shared.text_statistics, shared.compression) == (True, True, None)
    assert pipeline.measurements.base(wildcards(alignment_size=16)) == ["results/tiny/models/nano/checkpoints"]
    where = wildcards(base="nano-step3", alignment_size=16, run_sizes="0-8-12")
    assert not measured(pipeline, where).divergence
    assert pipeline.measurements.base(where) == []
    base = MeasureJob.model_validate_json(pipeline.measurements.base_job(wildcards())).measurements
    assert (base.cell, base.text_statistics, base.divergence) == (None, True, False)


def test_saved_checkpoints_are_measured_as_those_in_memory(pipeline: Pipeline) -> None:
    where = wildcards(alignment_size=8, run_sizes="0-4-8")
    stored = MeasureJob.model_validate_json(pipeline.measurements.stored_inverse_job(where))
    assert (stored.checkpoints, stored.measurements) == ((0, 4, 8), measured(pipeline, where))


def test_all_responses_of_a_task_are_scored_together(pipeline: Pipeline) -> None:
    files = pipeline.rebound.responses(wildcards())
    assert (
        len(files) == len(set(files)) == 2 + 2 * 3
    )  # base models; seeds × (two P of one base model, one of the other)
    assert "results/tiny/reviews/rebound/nano-step3/responses.parquet" in files
    assert "results/tiny/reviews/rebound/nano/positive/alignment/seed2/P16/inverse/0-4-8-12/responses.parquet" in files


def test_tasks_are_separate(values: Values) -> None:
    values["tasks"]["views"] = values["tasks"]["reviews"]
    values["rebound"]["pretraining"]["task"] = "views"
    pipeline = Pipeline(read_study(values))
    assert pipeline.models.bases_of_task("reviews") == ["nano"]
    assert pipeline.models.bases_of_task("views") == ["nano", "nano-step3"]
    assert all(file.startswith("results/tiny/views/") for file in pipeline.rebound.responses(wildcards(task="views")))
    scores = pipeline.tables["rebound"].inputs["scores"](wildcards(experiment="pretraining"))
    assert scores == "results/tiny/views/scores.parquet"


UNRELATED: dict[str, tuple[Callable[[Values], object], Callable[[Pipeline], str]]] = {
    "inverse recipe": (
        lambda values: values["inverse"].update(beta2=0.9),
        lambda pipeline: pipeline.rebound.alignment_job(wildcards(run_sizes="8-16")),
    ),
    "alignment recipe": (
        lambda values: values["alignment"].update(beta2=0.9),
        lambda pipeline: pipeline.measurements.inverse_job(wildcards(alignment_size=8, run_sizes="0")),
    ),
    "another seed": (
        lambda values: values.update(seeds=[1, 2, 3]),
        lambda pipeline: pipeline.rebound.alignment_job(wildcards(run_sizes="8-16")),
    ),
    "another size": (
        lambda values: values["rebound"]["existence"].update(inverse_sizes=[0, 16]),
        lambda pipeline: pipeline.measurements.inverse_job(wildcards(alignment_size=8, run_sizes="0")),
    ),
    "another experiment": (
        lambda values: values["rebound"].pop("pretraining"),
        lambda pipeline: pipeline.tables["rebound"].job(wildcards(experiment="existence")),
    ),
    "a later split": (
        lambda values: values["tasks"]["reviews"]["splits"].update(pretraining=30),
        lambda pipeline: pipeline.data.split_job(wildcards(split="positive")),
    ),
}


@pytest.mark.parametrize(("change", "job"), UNRELATED.values(), ids=UNRELATED)
def test_a_job_spec_contains_nothing_that_the_job_does_not_use(
    values: Values, change: Callable[[Values], object], job: Callable[[Pipeline], str]
) -> None:
    before = job(Pipeline(read_study(values)))
    change(values)
    assert job(Pipeline(read_study(values))) == before


def test_the_tables_of_an_experiment_share_a_job_spec(pipeline: Pipeline) -> None:
    job = ReboundTableJob.model_validate_json(pipeline.tables["rebound"].job(wildcards()))
    assert (job.experiment, job.seeds) == (pipeline.study.rebound["existence"], (1, 2))
    assert job.inverse == pipeline.study.inverse
    assert pipeline.tables["divergence"].job(wildcards()) == pipeline.tables["rebound"].job(wildcards())


# Recipes


def with_algorithm(values: Values, kind: str) -> Values:
    return {**values["inverse"], "algorithm": {"kind": kind}}


def test_recipes_have_stages_of_their_own(values: Values) -> None:
    values["recipes"] = {"long": values["alignment"] | {"epochs": 2}, "dpo": with_algorithm(values, "dpo")}
    values["rebound"]["long"] = values["rebound"]["existence"] | {"alignment_recipe": "long"}
    values["rebound"]["dpo"] = values["rebound"]["existence"] | {"inverse_recipe": "dpo"}
    rebound = Pipeline(read_study(values)).rebound
    long = AlignmentStage("reviews", "nano", "positive", "long", 1)
    assert rebound.alignment_runs(long) == [(8,), (16,)]  # two epochs: no size is a checkpoint of another's run
    assert rebound.alignment_runs(ALIGNMENT) == [(8, 16)]
    assert InverseStage(ALIGNMENT, 8, "dpo") in rebound.cells
    assert InverseStage(long, 8, "dpo") not in rebound.cells
    where = wildcards(inverse_recipe="dpo", alignment_size=8, run_sizes="0-4")
    assert rebound.inverse_training(where).settings.algorithm.kind == "dpo"
    assert rebound.inverse_algorithm(where) != rebound.alignment_algorithm(where)


@pytest.mark.parametrize("kind", ["dpo", "kto", "simpo"])
def test_preference_algorithms_are_trained_on_both_sides(values: Values, kind: str) -> None:
    values["inverse"] = with_algorithm(values, kind)
    files = Pipeline(read_study(values)).rebound.inverse_splits(wildcards(side="positive"))
    assert files == [f"results/tiny/reviews/splits/{side}.parquet" for side in ("negative", "positive")]


def test_ppo_is_rewarded_by_the_score_of_the_inverse_side(values: Values) -> None:
    assert Pipeline(read_study(values)).rebound.inverse_score_model(wildcards()) == []
    values["inverse"] = with_algorithm(values, "ppo") | {"max_length": 48}
    pipeline = Pipeline(read_study(values))
    assert pipeline.rebound.inverse_prompts(wildcards()) == ["results/tiny/reviews/prompts/negative.parquet"]
    assert pipeline.rebound.inverse_score_model(wildcards()) == pipeline.scores.files(wildcards())
    where = wildcards(alignment_size=8, run_sizes="0-4")
    job = pipeline.rebound.inverse_training(where)
    assert job.reward is not None
    assert job.reward.side == "negative"


# Contrastive decoding


def test_each_run_is_contrasted_with_its_own_weak_model(values: Values) -> None:
    """The weak model is in the checkpoint of the same base, P and seed; bases and other recipes are sampled alone."""
    values["recipes"] = {"pushed": values["alignment"] | {"epochs": 2, "extrapolation": [0.5, 1.0]}}
    values["sampling"]["contrast"] = {"strength": [0.5, 1.0]}
    values["tasks"]["reviews"]["splits"]["validation"] = 4
    name = next(iter(values["rebound"]))
    values["rebound"]["pushed"] = values["rebound"][name] | {"alignment_recipe": "pushed"}
    pipeline = Pipeline(read_study(values))
    rebound, measurements = pipeline.rebound, pipeline.measurements
    plain, pushed = (
        wildcards(alignment_size=8, alignment_recipe=it, run_sizes="0-4") for it in ("alignment", "pushed")
    )
    assert rebound.weak(plain) == rebound.weak_metrics(plain) == rebound.validation(plain) == []
    (weak,) = rebound.weak(pushed)
    assert weak == rebound.inverse_start(pushed)
    assert "/pushed/seed1/P/" in weak
    assert rebound.validation(pushed) == ["results/tiny/reviews/splits/validation-positive.parquet"]
    jobs = [json.loads(measurements.inverse_job(it)) for it in (plain, pushed)]
    alone, contrasted = (job["measurements"]["responses"] for job in jobs)
    assert (alone["sampling"]["contrast"], alone["weak"]) == (None, None)
    assert (contrasted["sampling"]["contrast"]["strength"], contrasted["weak"]) == ([0.5, 1.0], 8)
    assert json.loads(measurements.base_job(wildcards()))["measurements"]["responses"]["sampling"]["contrast"] is None
    table = pipeline.tables["choices"]
    assert table.made_for == ("pushed",)
    where = SimpleNamespace(experiment="pushed")
    runs = json.loads(table.job(where))["runs"]
    files = table.inputs["metrics"](where)
    for (base, seed), file in zip(runs, files, strict=True):
        assert f"/{base}/" in file
        assert f"/seed{seed}/" in file
    assert rebound.inverse_start_metrics(pushed) in files
    run = wildcards(alignment_recipe="pushed", run_sizes="8")
    assert json.loads(rebound.alignment_job(run))["contrast"]["strength"] == [0.5, 1.0]
    for complete in (measurements.inverse_complete, measurements.complete):
        assert rebound.inverse_start_metrics(pushed) in complete(pushed)


def test_rules_that_read_a_weak_model_also_read_its_metrics() -> None:
    """Snakemake compares folders by time only."""
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    metrics = r"complete=pipeline\.(rebound\.weak_metrics|measurements\.(inverse_|realignment_)?complete),"
    weak = r"weak=ancient\(pipeline\.rebound\.weak\),\n +"
    assert len(re.findall(weak + metrics, rules)) == rules.count("weak=") == 4
