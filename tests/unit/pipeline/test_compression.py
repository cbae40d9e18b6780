"""Which texts each model is measured on, and what a study must hold for that."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.pipeline.compression import CompressionPlan
from elasticity.pipeline.study_pipeline import Pipeline
from tests.unit.conftest import complaint

Values = dict[str, Any]

SPLITS = "results/tiny/{}/splits/held-out-{}.parquet"
SECOND = {
    "alignment_recipe": "alignment",
    "seed": "1",
    "alignment_size": "16",
    "inverse_recipe": "inverse",
    "run_sizes": "0-8-12",
}


@pytest.fixture
def values(values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Values:
    monkeypatch.chdir(tmp_path)
    values["compression"] = {"window": 32, "stride": 16, "control": "other", "coded": 2}
    values["tasks"]["other"] = values["tasks"]["reviews"]
    values["rebound"]["pretraining"] |= {"compression": True, "direction": "reversed"}
    return values


def pipeline(values: Values) -> CompressionPlan:
    return CompressionPlan(Pipeline(read_study(values)))


def wildcards(**given: str) -> SimpleNamespace:
    where = {"task": "reviews", "base": "nano-step3", "side": "negative", "inverse_recipe": "inverse"}
    return SimpleNamespace(experiment="pretraining", **where | given)


def test_alignment_is_the_first_side_and_perturbation_the_other(values: Values) -> None:
    assert pipeline(values).corpora("reviews", "nano-step3", "negative", "second") == {
        "pretraining": SPLITS.format("reviews", "pretraining"),
        "alignment": SPLITS.format("reviews", "negative"),
        "perturbation": SPLITS.format("reviews", "positive"),
        "control": SPLITS.format("other", "pretraining"),
    }


def test_of_a_model_from_elsewhere_the_pre_training_text_is_not_known(values: Values) -> None:
    del values["compression"]["control"]
    assert list(pipeline(values).corpora("reviews", "given", "positive", "second")) == ["alignment", "perturbation"]


def test_jobs_are_told_what_the_texts_are_and_nothing_of_where(values: Values) -> None:
    found = pipeline(values)
    job, base = json.loads(found.job(wildcards(**SECOND))), json.loads(found.base_job(wildcards()))
    assert job["cell"]["alignment_size"] == 16
    assert (job["checkpoints"], base["checkpoints"], base["cell"]) == ([0, 8, 12], [3], None)
    for told in (job, base):
        assert told["base_checkpoint"] == 3
        assert told["corpora"] == ["pretraining", "alignment", "perturbation", "control"]
        assert told["reading"] == {"window": 32, "stride": 16, "characters": 2000}
    assert len(found.texts(wildcards())) == 4


def test_every_cell_and_every_base_is_judged(values: Values) -> None:
    found = pipeline(values)
    folder = "results/tiny/reviews/rebound/{}/negative"
    measured = [f"{folder.format(base)}/second" for base in ("nano-step3", "nano")]
    second = "first/seed{}/P16/inverse/0-8-12/compression.parquet"
    bases = ("nano-step3", "nano")
    assert sorted(found.rates(wildcards())) == sorted(
        f"{folder.format(base)}/{second.format(seed)}" for base in bases for seed in (1, 2)
    )
    assert found.base_rates(wildcards()) == [f"{place}/compression.parquet" for place in measured]
    assert found.codes(wildcards()) == [f"{place}/coding.parquet" for place in measured]
    assert len(json.loads(found.arithmetic_coding_table_job(wildcards()))["corpora"]) == 2 * 4


def test_only_what_is_asked_for_is_made(values: Values) -> None:
    kinds = {Path(target).name for target in pipeline(values).targets()}
    assert kinds == {f"{kind}-pretraining.{suffix}" for kind in ("compression", "coding") for suffix in ("csv", "svg")}
    values["compression"]["coded"] = 0
    assert len(pipeline(values).targets()) == 2
    del values["rebound"]["pretraining"]["compression"]
    assert pipeline(values).targets() == []


def test_measuring_needs_settings(values: Values) -> None:
    del values["compression"]
    assert "rebound.pretraining.compression needs the study's `compression`" in complaint(values)


@pytest.mark.parametrize(("task", "where"), [("other", "compression.control"), ("reviews", "rebound.pretraining")])
def test_every_corpus_needs_texts(values: Values, task: str, where: str) -> None:
    values["tasks"][task] = values["tasks"][task] | {"splits": values["tasks"][task]["splits"] | {"held_out": 0}}
    message = complaint(values)
    assert where in message
    assert f"tasks.{task}.splits.held_out, which is 0" in message


def test_the_texts_of_pre_training_may_be_another_task_s(values: Values) -> None:
    other = values["tasks"]["reviews"]
    values["tasks"]["general"] = other | {"splits": other["splits"] | {"held_out": 0}}
    values["models"]["nano"]["task"] = "general"
    assert "tasks.general.splits.held_out, which is 0" in complaint(values)


def test_no_model_is_trained_on_the_control(values: Values) -> None:
    values["compression"]["control"] = "reviews"
    message = complaint(values)
    assert "compression.control: models are trained on reviews, so it controls nothing" in message
    assert "tasks that no model is trained on: other" in message


def test_windows_are_no_wider_than_what_a_model_was_pre_trained_on(values: Values) -> None:
    values["compression"]["window"] = 33
    assert "compression.window is 33, but nano-step3 was pre-trained on 32 tokens" in complaint(values)


def test_the_control_is_a_task(values: Values) -> None:
    values["compression"]["control"] = "enwik"
    assert "compression.control: 'enwik' is not declared; declared: other, reviews" in complaint(values)
