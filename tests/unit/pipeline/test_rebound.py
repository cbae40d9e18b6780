import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from elasticity.pipeline.materials import check_given_files

from elasticity.analysis.jobs import ResistanceTableJob
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import CrossEntropyJob, GenerateJob, GenerateSlicesJob
from elasticity.pipeline import cost
from elasticity.pipeline.resistance import PATHS, ResistancePlan
from elasticity.pipeline.runs import AlignmentStage, InverseStage
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.training.jobs import FineTuneJob, PretrainJob
from tests.conftest import ROOT

Values = dict[str, Any]

FIRST = AlignmentStage("reviews", "nano", "positive", "alignment", 1)
SECOND = InverseStage(FIRST, 16, "inverse")


def wildcards(**changes: object) -> SimpleNamespace:
    """Text, as Snakemake gives it."""
    given = {"task": "reviews", "base": "nano", "side": "positive", "seed": 1, "experiment": "existence"}
    given |= {"alignment_recipe": "alignment", "inverse_recipe": "inverse"} | changes
    return SimpleNamespace(**{name: str(value) for name, value in given.items()})


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pipeline(values: Values) -> Pipeline:
    return Pipeline(read_study(values))


@pytest.fixture
def slices(values: Values) -> ResistancePlan:
    return ResistancePlan(read_study(values))


def finish(folder: str) -> None:
    """Make a job look finished."""
    path = Path("results/tiny") / folder / "metrics.json"
    path.parent.mkdir(parents=True)
    path.touch()


# Cells


def test_cells_of_all_experiments_are_joined(pipeline: Pipeline) -> None:
    first = {8: (0, 4, 8), 16: (0, 4, 8, 12)}
    second = {16: (0, 8, 12)}
    assert pipeline.rebound.cells == {
        InverseStage(AlignmentStage("reviews", base, "positive", "alignment", seed), size, "inverse"): run_sizes
        for base, sizes in (("nano", first), ("nano-step3", second))
        for seed in (1, 2)
        for size, run_sizes in sizes.items()
    }


def test_shared_cells_are_counted_once(pipeline: Pipeline) -> None:
    assert cost.cells(pipeline.study) == 2 * (3 + 4 + 3)


def test_every_cell_has_one_job(pipeline: Pipeline) -> None:
    trained = [(second, size) for second, run_sizes in pipeline.rebound.inverse_jobs() for size in run_sizes]
    cells = {(second, size) for second, run_sizes in pipeline.rebound.cells.items() for size in run_sizes}
    assert len(trained) == len(cells)
    assert set(trained) == cells


def test_sides_bases_and_seeds_are_trajectories_of_their_own(values: Values) -> None:
    values["rebound"]["reversed"] = values["rebound"]["existence"] | {"direction": "reversed"}
    fewer = read_study(values | {"seeds": [1]})
    added = Pipeline(read_study(values)).rebound.alignment_sizes.keys() - Pipeline(fewer).rebound.alignment_sizes.keys()
    assert {(where.base, where.alignment_side) for where in added} == {
        ("nano", "positive"),
        ("nano", "negative"),
        ("nano-step3", "positive"),
    }
    assert {where.seed for where in added} == {2}


# Runs


def test_a_new_study_has_one_ladder_a_trajectory(pipeline: Pipeline) -> None:
    assert pipeline.rebound.alignment_runs(FIRST) == [(8, 16)]
    assert pipeline.rebound.inverse_runs(SECOND) == [(0, 4, 8, 12)]


def test_sizes_that_are_no_checkpoints_have_runs_of_their_own(values: Values) -> None:
    values["inverse"]["schedule"] = "linear"
    pipeline = Pipeline(read_study(values))
    assert pipeline.rebound.alignment_runs(FIRST) == [(8, 16)]
    assert pipeline.rebound.inverse_runs(SECOND) == [(0,), (4,), (8,), (12,)]


def test_an_added_size_is_a_new_ladder_beside_the_finished_one(values: Values) -> None:
    folder = "reviews/rebound/nano/positive/alignment/seed1"
    finish(f"{folder}/P/8-16")
    finish(f"{folder}/P16/inverse/0-4-8-12")
    values["rebound"]["existence"] |= {"alignment_sizes": [8, 16, 24], "inverse_sizes": [0, 4, 8, 16]}
    pipeline = Pipeline(read_study(values))
    assert pipeline.rebound.alignment_runs(FIRST) == [(8, 16), (24,)]
    assert pipeline.rebound.inverse_runs(SECOND) == [(0, 4, 8, 12), (16,)]
    other_seed = AlignmentStage("reviews", "nano", "positive", "alignment", 2)
    assert pipeline.rebound.alignment_runs(other_seed) == [(8, 16, 24)]
    start = pipeline.rebound.inverse_start(wildcards(first=24))
    assert start == f"results/tiny/{folder}/P/24/checkpoints"


def test_a_second_side_starts_from_the_ladder_that_holds_its_checkpoint(pipeline: Pipeline) -> None:
    assert pipeline.rebound.inverse_start(wildcards(first=16)).endswith("nano/positive/alignment/seed1/P/8-16/checkpoints")


# Jobs


def test_a_first_side_starts_from_the_checkpoint_of_its_base(pipeline: Pipeline) -> None:
    for base, checkpoint in (("nano-step3", "3"), ("nano", "6")):
        job = FineTuneJob.model_validate_json(pipeline.rebound.alignment_job(wildcards(base=base, run_sizes="8-16")))
        expected = FineTuneJob(start=checkpoint, settings=pipeline.study.alignment, sizes=(8, 16), seed=1, template="plain")
        assert job == expected
        assert pipeline.models.base_checkpoints(wildcards(base=base)) == "results/tiny/models/nano/checkpoints"


def test_a_second_side_trains_on_the_opposite_side(pipeline: Pipeline) -> None:
    for side, other in (("positive", "negative"), ("negative", "positive")):
        assert pipeline.rebound.inverse_splits(wildcards(side=side)) == [f"results/tiny/reviews/splits/{other}.parquet"]
    job = FineTuneJob.model_validate_json(pipeline.rebound.inverse_job(wildcards(first=16, run_sizes="0-4", seed=2)))
    assert job == FineTuneJob(start="16", settings=pipeline.study.inverse, sizes=(0, 4), seed=2, template="plain")


def test_responses_name_their_cell(pipeline: Pipeline) -> None:
    job = GenerateJob.model_validate_json(pipeline.rebound.generate_job(wildcards(first=16, run_sizes="0-4")))
    assert job.row(4) == {
        "base": "nano",
        "alignment_side": "positive",
        "alignment_recipe": "alignment",
        "inverse_recipe": "inverse",
        "seed": 1,
        "alignment_size": 16,
        "inverse_size": 4,
    }
    base = GenerateJob.model_validate_json(pipeline.rebound.generate_base_job(wildcards(base="nano-step3")))
    assert (base.row(3), base.checkpoints) == ({"base": "nano-step3"}, (3,))


def test_all_responses_of_a_task_are_scored_together(pipeline: Pipeline) -> None:
    files = pipeline.rebound.responses(wildcards())
    assert len(files) == len(set(files)) == 2 + 2 * 3  # bases; seeds × (two first sizes of one base, one of the other)
    assert "results/tiny/reviews/rebound/nano-step3/responses.parquet" in files
    assert "results/tiny/reviews/rebound/nano/positive/alignment/seed2/P16/inverse/0-4-8-12/responses.parquet" in files


def test_tasks_keep_to_themselves(values: Values) -> None:
    values["tasks"]["views"] = values["tasks"]["reviews"]
    values["rebound"]["pretraining"]["task"] = "views"
    pipeline = Pipeline(read_study(values))
    assert pipeline.models.bases_of_task("reviews") == ["nano"]
    assert pipeline.models.bases_of_task("views") == ["nano", "nano-step3"]
    assert all(file.startswith("results/tiny/views/") for file in pipeline.rebound.responses(wildcards(task="views")))
    assert pipeline.rebound_scores(wildcards(experiment="pretraining")) == "results/tiny/views/scores.parquet"


UNRELATED: dict[str, tuple[Callable[[Values], object], Callable[[Pipeline], str]]] = {
    "second side": (lambda v: v["inverse"].update(beta2=0.9), lambda p: p.rebound.alignment_job(wildcards(run_sizes="8-16"))),
    "first side": (
        lambda v: v["alignment"].update(beta2=0.9),
        lambda p: p.rebound.inverse_job(wildcards(first=8, run_sizes="0")),
    ),
    "another seed": (lambda v: v.update(seeds=[1, 2, 3]), lambda p: p.rebound.alignment_job(wildcards(run_sizes="8-16"))),
    "another size": (
        lambda v: v["rebound"]["existence"].update(inverse_sizes=[0, 16]),
        lambda p: p.rebound.generate_job(wildcards(first=8, run_sizes="0")),
    ),
    "another experiment": (
        lambda v: v["rebound"].pop("pretraining"),
        lambda p: p.rebound_table_job(wildcards(experiment="existence")),
    ),
    "a later split": (
        lambda v: v["tasks"]["reviews"]["splits"].update(pretraining=30),
        lambda p: p.data.split_job(wildcards(split="positive")),
    ),
}


@pytest.mark.parametrize(("change", "job"), UNRELATED.values(), ids=UNRELATED)
def test_a_job_is_told_nothing_that_it_does_not_use(
    values: Values, change: Callable[[Values], object], job: Callable[[Pipeline], str]
) -> None:
    before = job(Pipeline(read_study(values)))
    change(values)
    assert job(Pipeline(read_study(values))) == before


# Recipes


def test_recipes_have_trajectories_of_their_own(values: Values) -> None:
    values["recipes"] = {"long": values["alignment"] | {"epochs": 2}, "dpo": with_algorithm(values, "dpo")}
    values["rebound"]["long"] = values["rebound"]["existence"] | {"alignment_recipe": "long"}
    values["rebound"]["dpo"] = values["rebound"]["existence"] | {"inverse_recipe": "dpo"}
    pipeline = Pipeline(read_study(values))
    long = AlignmentStage("reviews", "nano", "positive", "long", 1)
    assert pipeline.rebound.alignment_runs(long) == [(8,), (16,)]  # two epochs: no size is a checkpoint of another's run
    assert pipeline.rebound.alignment_runs(FIRST) == [(8, 16)]
    assert InverseStage(FIRST, 8, "dpo") in pipeline.rebound.cells
    assert InverseStage(long, 8, "dpo") not in pipeline.rebound.cells
    job = FineTuneJob.model_validate_json(pipeline.rebound.inverse_job(wildcards(second="dpo", first=8, run_sizes="0-4")))
    assert job.settings.algorithm.kind == "dpo"


def with_algorithm(values: Values, kind: str) -> Values:
    return values["inverse"] | {"algorithm": {"kind": kind}}


@pytest.mark.parametrize("kind", ["dpo", "kto", "simpo"])
def test_preferences_are_learned_from_both_sides(values: Values, kind: str) -> None:
    values["inverse"] = with_algorithm(values, kind)
    files = Pipeline(read_study(values)).rebound.inverse_splits(wildcards(side="positive"))
    assert files == [f"results/tiny/reviews/splits/{side}.parquet" for side in ("negative", "positive")]


def test_ppo_is_rewarded_by_the_score_of_its_own_side(values: Values) -> None:
    assert Pipeline(read_study(values)).rebound.inverse_score_model(wildcards()) == []
    values["inverse"] = with_algorithm(values, "ppo") | {"max_length": 48}
    pipeline = Pipeline(read_study(values))
    assert pipeline.rebound.inverse_prompts(wildcards()) == ["results/tiny/reviews/prompts/negative.parquet"]
    assert pipeline.rebound.inverse_score_model(wildcards()) == pipeline.scores.files(wildcards())
    job = FineTuneJob.model_validate_json(pipeline.rebound.inverse_job(wildcards(first=8, run_sizes="0-4")))
    assert job.reward is not None
    assert job.reward.side == "negative"


def test_a_weak_model_that_is_made_anew_responses_anew(values: Values) -> None:
    """Folders of weights are compared with nothing, so the file that stands for them is an input, too."""
    assert Pipeline(read_study(values)).models.weak_metrics(wildcards()) == []
    values["sampling"]["contrast"] = {"weak": "nano-step3", "strength": 1.0}
    pipeline = Pipeline(read_study(values))
    assert pipeline.models.weak_checkpoints(wildcards()) == ["results/tiny/models/nano/checkpoints"]
    assert pipeline.models.weak_metrics(wildcards()) == ["results/tiny/models/nano/metrics.json"]
    rules = (ROOT / "workflow/rules/rebound.smk").read_text()
    assert (
        rules.count("weak=ancient(pipeline.models.weak_checkpoints)") == rules.count("weak_made=pipeline.models.weak_metrics") == 2
    )


# Models


def test_a_tuned_model_is_a_base_like_any_other(values: Values) -> None:
    tuned = {"kind": "tuned", "base": "nano-step3", "task": "reviews", "side": "positive", "examples": 8, "seed": 5}
    values["models"]["warm"] = tuned | {"tuning": values["alignment"]}
    values["rebound"]["existence"]["bases"] = ["warm"]
    pipeline = Pipeline(read_study(values))
    assert pipeline.models.tuned_start(wildcards(model="warm")) == "results/tiny/models/nano/checkpoints"
    job = FineTuneJob.model_validate_json(pipeline.models.tuned_job(wildcards(model="warm")))
    assert (job.start, job.sizes, job.seed) == ("3", (8,), 5)
    first = FineTuneJob.model_validate_json(pipeline.rebound.alignment_job(wildcards(base="warm", run_sizes="8-16")))
    assert first.start == "8"
    assert pipeline.models.base_checkpoints(wildcards(base="warm")) == "results/tiny/models/warm/checkpoints"
    assert pipeline.study.origin("warm") == "nano"


def test_pretraining_keeps_every_checkpoint_and_the_end(pipeline: Pipeline) -> None:
    job = PretrainJob.model_validate_json(pipeline.models.pretrain_job(wildcards(model="nano")))
    assert job.checkpoints == (3, 6)
    assert pipeline.models.pretraining_split(wildcards(model="nano")) == "results/tiny/reviews/splits/pretraining.parquet"
    assert pipeline.models.tokenizer(wildcards(model="nano")) == "results/tiny/reviews/tokenizers/320"


def test_prompts_are_counted_by_the_tokenizer_that_the_task_names(values: Values, pipeline: Pipeline) -> None:
    assert pipeline.data.prompt_tokenizer(wildcards()) == "results/tiny/reviews/tokenizers/320"
    values["tasks"]["reviews"]["prompts"]["tokenizer"] = "given"
    assert Pipeline(read_study(values)).data.prompt_tokenizer(wildcards()) == "results/tiny/models/given/checkpoints/0"


def test_targets_are_a_table_and_a_figure_an_experiment(pipeline: Pipeline, slices: ResistancePlan) -> None:
    assert sorted([*pipeline.targets(), *slices.targets()]) == [
        f"results/tiny/{file}"
        for file in (
            "figures/rebound-existence.svg",
            "figures/rebound-pretraining.svg",
            "figures/resistance-slices/given.svg",
            "figures/resistance-slices/nano.svg",
            "tables/bits-per-byte-reviews.csv",
            "tables/rebound-existence.csv",
            "tables/rebound-pretraining.csv",
            "tables/resistance-slices.csv",
        )
    ]


def test_nothing_is_answered_or_scored_without_a_score_model(unscored: Values) -> None:
    pipeline = Pipeline(read_study(unscored))
    scored = [target for target in pipeline.targets() if re.search("/(rebound|divergence)-", target)]
    assert (scored, pipeline.scores.is_scored("reviews")) == ([], False)
    assert len(pipeline.rebound.cells) == 6
    assert (pipeline.beginnings, pipeline.questions) == ({}, [])


def test_a_task_is_fetched_from_all_files_that_it_is_made_of(values: Values) -> None:
    texts = {"kind": "file", "path": "b.txt", "format": "passages"}
    both = {"kind": "sides", "positive": texts, "negative": texts | {"path": "a.txt"}}
    values["tasks"]["reviews"]["source"] = both
    values["models"].pop("given")
    values["resistance"]["slices"]["bases"] = ["nano"]
    pipeline = Pipeline(read_study(values))
    assert pipeline.data.source_files(wildcards()) == ["a.txt", "b.txt"]
    Path("b.txt").touch()
    with pytest.raises(UserError, match=r"tasks\.reviews\.source\.negative\.path: a\.txt does not exist"):
        check_given_files(pipeline)


def test_an_expression_of_names_matches_these_names_only() -> None:
    assert [name for name in ("a.b", "axb", "c", "") if re.fullmatch(Pipeline.either(["a.b", "c"]), name)] == ["a.b", "c"]
    assert not re.fullmatch(Pipeline.either([]), "")


# Resistance


def of_slices(**changes: object) -> SimpleNamespace:
    return wildcards(experiment="slices", **changes)


def test_slices_are_checkpoints_of_one_run_over_three_parts(slices: ResistancePlan) -> None:
    job = FineTuneJob.model_validate_json(slices.slices_job(of_slices()))
    assert (job.start, job.sizes, job.responses_of_slice) == ("6", (8, 16, 24), None)
    assert [Path(part).stem for part in slices.parts(of_slices())] == ["resistance-1", "resistance-2", "resistance-3"]
    assert Path(slices.twin_prompts(of_slices())).stem == "resistance-4"


@pytest.mark.parametrize(("start", "target", "checkpoint"), [(1, 2, "8"), (2, 1, "16"), (3, 1, "24")])
def test_a_path_starts_from_its_slice_and_trains_on_the_targets_responses(
    slices: ResistancePlan, start: int, target: int, checkpoint: str
) -> None:
    job = FineTuneJob.model_validate_json(slices.tune_job(of_slices(k=start, l=target)))
    settings = slices.study.resistance["slices"].tuning
    assert job == FineTuneJob(
        start=checkpoint, settings=settings, sizes=(8,), seed=1, template="plain", responses_of_slice=target
    )


def test_every_pair_is_walked_both_ways() -> None:
    assert {tuple(sorted(path)) for path in PATHS} == {(1, 2), (1, 3), (2, 3)}
    assert set(PATHS) == {path[::-1] for path in PATHS}


def test_measurements_come_in_the_order_of_the_paths(slices: ResistancePlan) -> None:
    job = CrossEntropyJob.model_validate_json(slices.cross_entropy_job(of_slices()))
    folders = [Path(checkpoints).parent.name for checkpoints in slices.tuned(of_slices())]
    assert folders == [f"{start}-{target}" for start, target in job.paths]
    assert (job.slices, job.tuned_checkpoint, job.max_length) == ((8, 16, 24), "8", 24)


def test_tables_come_in_the_order_of_the_runs(slices: ResistancePlan) -> None:
    job = ResistanceTableJob.model_validate_json(slices.table_job(of_slices()))
    assert job.runs == (("nano", 1), ("nano", 2), ("given", 1), ("given", 2))
    runs = [f"results/tiny/reviews/resistance/slices/{base}/seed{seed}" for base, seed in job.runs]
    assert slices.cross_entropies(of_slices()) == [f"{run}/cross-entropies.parquet" for run in runs]
    assert slices.tuning_losses(of_slices()) == [
        f"{run}/tuned/{start}-{target}/losses.parquet" for run in runs for start, target in job.paths
    ]


def test_slices_response_with_both_samplings(slices: ResistancePlan) -> None:
    job = GenerateSlicesJob.model_validate_json(slices.generate_slices_job(of_slices()))
    assert (job.twin_sampling.temperature, job.question_sampling.temperature) == (0.1, 1.0)
    assert job.checkpoints == (8, 16, 24)
