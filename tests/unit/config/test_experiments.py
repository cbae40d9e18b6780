"""Experiments with control data in the inverse stage, and base models with random weights."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from elasticity.config.loading import read_study, read_study_file
from elasticity.core.errors import UserError
from elasticity.pipeline.planning.budget import Budget
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.plots.figure import FigureJob
from elasticity.training.datasets import responses_once
from elasticity.training.jobs import FineTuneJob, PretrainJob
from tests.conftest import ROOT
from tests.unit.conftest import complaint, plain

Values = dict[str, Any]

DATA = {
    "neutral": {"task": "manual", "side": "neutral"},
    "continued": {"side": "same"},
    "elsewhere": {"task": "products", "side": "opposite"},
    "praise": {"task": "products", "side": "same"},
}


@pytest.fixture
def values(values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Values:
    """A study with one experiment for each of the recipes in ``DATA``."""
    monkeypatch.chdir(tmp_path)
    texts = {"kind": "file", "path": "manual.txt", "format": "passages"}
    splits = {"sides": ["neutral"], "held_out": 4, "neutral": 12}
    values["tasks"]["manual"] = {"source": texts, "splits": splits}
    source = {"kind": "file", "path": "products.txt", "format": "vader"}
    values["tasks"]["products"] = {"source": source, "splits": {"held_out": 4, "positive": 12, "negative": 12}}
    values["recipes"] = {name: values["inverse"] | {"data": dict(data)} for name, data in DATA.items()}
    existence = values["rebound"]["existence"]
    values["rebound"] |= {name: existence | {"inverse_recipe": name} for name in DATA}
    return values


def wildcards(inverse_recipe: str, side: str = "positive") -> SimpleNamespace:
    where = {
        "task": "reviews",
        "base": "nano",
        "side": side,
        "alignment_recipe": "alignment",
        "seed": "2",
        "alignment_size": "16",
    }
    return SimpleNamespace(**where, inverse_recipe=inverse_recipe, run_sizes="0-4-8", experiment=inverse_recipe)


# What is trained on


@pytest.mark.parametrize(
    ("recipe", "positive", "negative"),
    [
        ("inverse", "reviews/splits/negative", "reviews/splits/positive"),
        ("neutral", "manual/splits/neutral", "manual/splits/neutral"),
        ("continued", "reviews/splits/positive", "reviews/splits/negative"),
        ("elsewhere", "products/splits/negative", "products/splits/positive"),
        ("praise", "products/splits/positive", "products/splits/negative"),
    ],
)
def test_the_inverse_stage_is_trained_on_the_split_that_its_recipe_names(
    values: Values, recipe: str, positive: str, negative: str
) -> None:
    pipeline = Pipeline(read_study(values))
    for side, split in (("positive", positive), ("negative", negative)):
        assert pipeline.rebound.inverse_splits(wildcards(recipe, side)) == [f"results/tiny/{split}.parquet"]
        assert pipeline.springs.inverse(wildcards(recipe, side)) == f"results/tiny/{split}.parquet"


def test_examples_of_the_alignment_stage_are_skipped_in_the_same_split_only(values: Values) -> None:
    pipeline = Pipeline(read_study(values))
    jobs = {name: pipeline.rebound.inverse_training(wildcards(name)) for name in ("inverse", *DATA)}
    assert {name: job.skip for name, job in jobs.items() if job.skip} == {"continued": 16}
    assert {job.seed for job in jobs.values()} == {2}
    values["recipes"]["continued"]["data"]["task"] = "reviews"  # the task of the experiment, by its name
    assert Pipeline(read_study(values)).rebound.inverse_training(wildcards("continued")).skip == 16
    where = SimpleNamespace(**vars(wildcards("continued")) | {"run_sizes": "4"})
    joint = pipeline.springs.joint_training(where)
    assert (joint.alignment.skip, joint.inverse.skip) == (0, 16)


@given(
    seed=st.integers(0, 2**32),
    first=st.integers(1, 30),
    second=st.integers(0, 30),
    names=st.sets(st.text("0123456789abcdef", min_size=4, max_size=4), min_size=60, max_size=90),
)
def test_alignment_and_continued_stages_share_no_example(
    tokenizer: PreTrainedTokenizerFast, seed: int, first: int, second: int, names: set[str]
) -> None:
    """For every seed and size. Smaller sizes stay subsets of larger ones."""
    rows = [row | {"id": name} for name, row in zip(sorted(names), plain(["A fine film."] * len(names)), strict=True)]
    tuning = {"learning_rate": 1e-3, "batch_size": 4, "max_length": 8}

    def seen(size: int, skip: int = 0) -> list[str]:
        job = {"start": "0", "settings": tuning, "sizes": (size,), "skip": skip, "seed": seed, "template": "plain"}
        return [example.identity for example in responses_once(FineTuneJob.model_validate(job), tokenizer, [rows])]

    before, after = seen(first), seen(second, skip=first)
    assert (len(before), len(after)) == (first, second)
    assert not set(before) & set(after)
    assert before + after == seen(first + second)
    assert after[: second // 2] == seen(second // 2, skip=first)


def test_too_few_examples_after_those_of_the_alignment_stage_are_an_error(tokenizer: PreTrainedTokenizerFast) -> None:
    tuning = {"learning_rate": 1e-3, "batch_size": 4, "max_length": 8}
    job = {"start": "0", "settings": tuning, "sizes": (4,), "skip": 3, "seed": 1, "template": "plain"}
    with pytest.raises(UserError, match="4 examples behind the first 3 are needed, but the data give 2"):
        responses_once(FineTuneJob.model_validate(job), tokenizer, [plain(["A fine film."] * 5)])


# What is measured and shown


def test_perturbation_texts_are_of_the_kind_of_the_inverse_stage(values: Values) -> None:
    values["compression"] = {"window": 32, "stride": 16}
    for name in DATA:
        values["rebound"][name]["compression"] = True
    compression = Pipeline(read_study(values)).compression
    splits = {name: Path(compression.corpora("reviews", "nano", "positive", name)["perturbation"]) for name in DATA}
    assert {name: "/".join(path.parts[2:]) for name, path in splits.items()} == {
        "neutral": "manual/splits/held-out-pretraining.parquet",
        "continued": "reviews/splits/held-out-positive.parquet",
        "elsewhere": "products/splits/held-out-negative.parquet",
        "praise": "products/splits/held-out-positive.parquet",
    }
    for name, path in splits.items():
        assert str(path) in compression.texts(wildcards(name))


def test_base_models_are_measured_on_the_texts_of_each_recipe(values: Values) -> None:
    """The results are in different files, because the perturbation texts differ."""
    values["compression"] = {"window": 32, "stride": 16}
    inputs = Pipeline(read_study(values)).tables["compression"].inputs
    rates = [inputs["base_rates"](wildcards(name)) for name in DATA]
    assert len({file for files in rates for file in files}) == len(DATA)


def test_figures_name_the_examples_of_both_stages(values: Values) -> None:
    figures = Pipeline(read_study(values)).figures
    jobs = {name: FigureJob.model_validate_json(figures.job(name, None)) for name in DATA}
    assert {name: job.sides for name, job in jobs.items()} == {
        "neutral": ("positive", "neutral manual"),
        "continued": ("positive", "more positive"),
        "elsewhere": ("positive", "negative products"),
        "praise": ("positive", "positive products"),
    }


def test_the_cost_of_controls_is_counted(values: Values) -> None:
    values["resistance"]["slices"]["bases"] = ["nano"]
    stages = {stage.name: stage for stage in Budget(read_study(values)).stages()}
    for name in DATA:
        del values["rebound"][name]
    without = {stage.name: stage for stage in Budget(read_study(values)).stages()}
    assert stages["alignment"] == without["alignment"]
    runs = len(DATA) * 2 * 2  # recipes, seeds, sizes P
    assert stages["inverse"].jobs == without["inverse"].jobs + runs
    assert stages["inverse"].examples == without["inverse"].examples + runs * 8


# Validation

MISTAKES: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such task": (
        "recipes.neutral.data",
        {"task": "news", "side": "neutral"},
        "neutral takes data of news, which is not declared; declared: manual, products, reviews",
    ),
    "no such side": ("recipes.neutral.data", {"side": "left"}, "recipes.neutral.data.side"),
    "too few": ("tasks.manual.splits", {"neutral": 7}, "8 neutral texts, but tasks.manual.splits.neutral holds 7"),
    "no neutral ones": ("recipes.neutral.data", {"task": None}, "8 neutral texts, but tasks.reviews.splits.neutral"),
    "too few for both": (
        "tasks.reviews.splits",
        {"positive": 23},
        "rebound.continued, alignment and inverse stages together, needs 24 positive texts, but tasks.reviews",
    ),
    "another algorithm": (
        "recipes.neutral",
        {"algorithm": {"kind": "dpo"}},
        "data is for sft only: dpo compares the two sides",
    ),
    "another template": (
        "tasks.products",
        {"template": "conversation"},
        "products, whose template is conversation, but that of reviews is plain: give both",
    ),
    "on an alignment stage": (
        "rebound.neutral",
        {"alignment_recipe": "praise"},
        "rebound.neutral.alignment_recipe: data is for the inverse stages",
    ),
    "on slices": (
        "resistance.slices.slices",
        {"data": {"side": "same"}},
        "resistance.slices.slices: data is for the inverse stages",
    ),
}


@pytest.mark.parametrize(("place", "change", "words"), MISTAKES.values(), ids=MISTAKES)
def test_data_that_cannot_be_trained_on_are_an_error(
    values: Values, place: str, change: dict[str, Any], words: str
) -> None:
    section = values
    for part in place.split("."):
        section = section[part]
    section |= change
    assert words in complaint(values)


def test_examples_with_prompts_cannot_follow_texts_without(values: Values) -> None:
    manual = values["tasks"]["manual"]
    manual |= {"source": {"kind": "file", "path": "a.json", "format": "alpaca"}, "prompts": {"kind": "questions"}}
    words = "neutral takes data of manual, which have prompts, but those of reviews are texts without prompts"
    assert words in complaint(values)


def test_prompts_of_the_other_task_must_leave_room_for_a_response(values: Values) -> None:
    for name, prompts in (("reviews", {"kind": "questions", "max_tokens": 8}), ("manual", {"kind": "questions"})):
        source = {"kind": "file", "path": f"{name}.json", "format": "alpaca" if name == "manual" else "beavertails"}
        values["tasks"][name] |= {"source": source, "prompts": prompts}
    values["rebound"] = {"neutral": values["rebound"]["neutral"]}
    assert "rebound.neutral.inverse_recipe.max_length is 16, but a prompt of tasks.manual takes" in complaint(values)


def test_the_control_corpus_must_not_be_trained_on(values: Values) -> None:
    values["compression"] = {"window": 32, "stride": 16, "control": "manual"}
    read_study(values)
    values["rebound"]["elsewhere"]["compression"] = True
    read_study(values)
    values["rebound"]["neutral"]["compression"] = True
    assert "compression.control: models are trained on manual, so it controls nothing" in complaint(values)


def test_compression_needs_held_out_texts_of_the_inverse_stage(values: Values) -> None:
    values["compression"] = {"window": 32, "stride": 16}
    values["rebound"]["elsewhere"]["compression"] = True
    values["tasks"]["products"]["splits"]["held_out"] = 0
    assert "rebound.elsewhere.compression is measured on texts in tasks.products.splits.held_out" in complaint(values)


@pytest.mark.parametrize("name", ["config", "studies/laptop"])
def test_controls_of_the_studies_differ_from_inverse_in_the_data_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study_file(Path(f"{name}.yaml"))
    controls = {
        name: rebound
        for name, rebound in study.rebound.items()
        if study.recipe(rebound.inverse_recipe).data and not name.startswith("homecoming")
    }
    expected = {"neutral": "neutral manual", "continued": "more positive", "elsewhere": "negative products"}
    assert controls.keys() == ({"neutral"} if name == "config" else expected.keys())
    for control, rebound in controls.items():
        assert study.inverse_data(rebound).name == expected[control]
        assert study.recipe(rebound.inverse_recipe).model_copy(update={"data": None}) == study.inverse
        compared = study.rebound["opposite"]
        assert rebound.alignment_sizes == compared.alignment_sizes
        assert rebound.inverse_sizes == compared.inverse_sizes
        assert study.recipe(compared.inverse_recipe) == study.inverse


# Random weights


def test_the_model_before_any_update_is_a_base(values: Values) -> None:
    values["models"]["nano"]["checkpoints"] = [0, 3]
    values["rebound"]["pretraining"]["bases"] = ["nano-step0", "nano"]
    study = read_study(values)
    pipeline = Pipeline(study)
    assert study.bases["nano-step0"] == ("nano", 0)
    job = PretrainJob.model_validate_json(pipeline.models.pretrain_job(SimpleNamespace(model="nano")))
    assert job.checkpoints == (0, 3, 6)
    start = SimpleNamespace(**vars(wildcards("inverse")) | {"base": "nano-step0", "run_sizes": "16"})
    assert FineTuneJob.model_validate_json(pipeline.rebound.alignment_job(start)).start == "0"


def test_random_weights_have_no_pre_training_task_and_no_spring(values: Values) -> None:
    """D1 is empty, so k is 0, while the theorem is about large k."""
    values["models"]["nano"]["checkpoints"] = [0]
    tuned = {"kind": "tuned", "task": "reviews", "side": "positive", "examples": 8, "tuning": values["alignment"]}
    values["models"] |= {"warm": tuned | {"base": "nano-step0"}, "warmer": tuned | {"base": "nano"}}
    bases = ["nano-step0", "nano", "warm", "warmer", "given"]
    values["compression"] = {"window": 32, "stride": 16}
    values["rebound"] = {"existence": values["rebound"]["existence"] | {"bases": bases, "compression": True}}
    study = read_study(values)
    assert [study.pretrained_on(base) for base in bases] == [None, "reviews", None, "reviews", None]
    assert Pipeline(study).springs.bases(study.rebound["existence"]) == ["nano"]
