"""Compression in the graph: the held-out texts that each model is measured on, and what a study needs for that."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.pipeline.compression import CompressionJobs
from elasticity.pipeline.study_pipeline import Pipeline
from tests.unit.conftest import complaint

Values = dict[str, Any]

HELD_OUT = "results/tiny/{}/splits/held-out-{}.parquet"
INVERSE_RUN = {"alignment_recipe": "alignment", "seed": "1", "alignment_size": "16", "run_sizes": "0-8-12"}


@pytest.fixture
def values(values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Values:
    monkeypatch.chdir(tmp_path)
    values["compression"] = {"window": 32, "stride": 16, "control": "other", "coded": 2}
    values["tasks"]["other"] = values["tasks"]["reviews"]
    values["rebound"]["pretraining"] |= {"compression": True, "direction": "reversed"}
    return values


def jobs(values: Values) -> CompressionJobs:
    return Pipeline(read_study(values)).compression


def wildcards(**given: str) -> SimpleNamespace:
    where = {"task": "reviews", "base": "nano-step3", "side": "negative", "inverse_recipe": "inverse"}
    return SimpleNamespace(experiment="pretraining", **where | given)


def test_the_alignment_corpus_is_the_alignment_side_and_the_perturbation_corpus_the_opposite(values: Values) -> None:
    assert jobs(values).corpora("reviews", "nano-step3", "negative", "inverse") == {
        "pretraining": HELD_OUT.format("reviews", "pretraining"),
        "alignment": HELD_OUT.format("reviews", "negative"),
        "perturbation": HELD_OUT.format("reviews", "positive"),
        "control": HELD_OUT.format("other", "pretraining"),
    }


def test_an_imported_model_has_no_pretraining_corpus(values: Values) -> None:
    del values["compression"]["control"]
    assert list(jobs(values).corpora("reviews", "given", "positive", "inverse")) == ["alignment", "perturbation"]


def test_jobs_contain_the_names_of_corpora_and_no_paths(values: Values) -> None:
    found = Pipeline(read_study(values)).measurements
    inverse, base = (
        json.loads(found.inverse_job(wildcards(**INVERSE_RUN))),
        json.loads(found.base_compression_job(wildcards())),
    )
    assert inverse["measurements"]["cell"]["alignment_size"] == 16
    assert (base["checkpoints"], base["measurements"]["cell"]) == ([3], None)
    for each in (inverse["measurements"], base["measurements"]):
        assert each["base_checkpoint"] == 3
        assert each["compression"]["corpora"] == ["pretraining", "alignment", "perturbation", "control"]
        assert each["compression"]["reading"] == {"window": 32, "stride": 16, "characters": 2000}
    assert len(found.texts(wildcards(**INVERSE_RUN))) == len(jobs(values).texts(wildcards())) == 4


def test_arithmetic_coding_packs_the_first_texts_of_each_corpus(values: Values) -> None:
    job = json.loads(jobs(values).arithmetic_coding_job(wildcards()))
    assert (job["base"], job["base_checkpoint"], job["texts"]) == ("nano-step3", 3, 2)
    assert job["corpora"] == ["pretraining", "alignment", "perturbation", "control"]


def test_the_tables_read_every_cell_and_every_base_model(values: Values) -> None:
    pipeline = Pipeline(read_study(values))
    bases = ("nano-step3", "nano")
    folder = "results/tiny/reviews/rebound/{}/negative"
    run = "alignment/seed{}/P16/inverse/0-8-12/compression.parquet"
    of_bases = [f"{folder.format(base)}/inverse" for base in bases]
    rates, codes = pipeline.tables["compression"].inputs, pipeline.tables["arithmetic_coding"].inputs
    assert sorted(rates["rates"](wildcards())) == sorted(
        f"{folder.format(base)}/{run.format(seed)}" for base in bases for seed in (1, 2)
    )
    assert rates["base_rates"](wildcards()) == [f"{place}/compression.parquet" for place in of_bases]
    assert codes["base_rates"](wildcards()) == [f"{place}/compression.parquet" for place in of_bases]
    assert codes["codes"](wildcards()) == [f"{place}/arithmetic-coding.parquet" for place in of_bases]
    job = json.loads(pipeline.tables["arithmetic_coding"].job(wildcards()))
    assert len(job["corpora"]) == 2 * 4
    assert sorted({path for _, _, path in job["corpora"]}) == codes["complete"](wildcards())


def test_a_study_makes_only_the_tables_and_figures_that_it_asks_for(values: Values) -> None:
    def made() -> set[str]:
        targets = Pipeline(read_study(values)).targets
        return {name for name in (Path(target).name for target in targets) if name.startswith(("compr", "arith"))}

    compression = {"compression-pretraining.csv", "compression-pretraining.svg"}
    assert made() == compression | {"arithmetic-coding-pretraining.csv", "arithmetic-coding-pretraining.svg"}
    values["compression"]["coded"] = 0
    assert made() == compression
    del values["rebound"]["pretraining"]["compression"]
    assert made() == set()


def test_compression_rates_need_the_section_compression(values: Values) -> None:
    del values["compression"]
    assert "rebound.pretraining.compression needs the section `compression` of the study" in complaint(values)


@pytest.mark.parametrize(("task", "where"), [("other", "compression.control"), ("reviews", "rebound.pretraining")])
def test_every_corpus_needs_held_out_texts(values: Values, task: str, where: str) -> None:
    values["tasks"][task] = values["tasks"][task] | {"splits": values["tasks"][task]["splits"] | {"held_out": 0}}
    message = complaint(values)
    assert where in message
    assert f"tasks.{task}.splits.held_out, which is 0" in message


def test_the_pre_training_corpus_may_belong_to_another_task(values: Values) -> None:
    other = values["tasks"]["reviews"]
    values["tasks"]["general"] = other | {"splits": other["splits"] | {"held_out": 0}}
    values["models"]["nano"]["task"] = "general"
    assert "tasks.general.splits.held_out, which is 0" in complaint(values)


def test_no_model_is_trained_on_the_control(values: Values) -> None:
    values["compression"]["control"] = "reviews"
    message = complaint(values)
    assert "compression.control: models are trained on reviews, so it controls nothing" in message
    assert "tasks that no model is trained on: other" in message


def test_windows_are_no_wider_than_the_context_of_a_model(values: Values) -> None:
    values["compression"]["window"] = 33
    assert "compression.window is 33, but the context of nano-step3 is 32 tokens" in complaint(values)


def test_the_control_is_a_task(values: Values) -> None:
    values["compression"]["control"] = "enwik"
    assert "compression.control: 'enwik' is not declared; declared: other, reviews" in complaint(values)
