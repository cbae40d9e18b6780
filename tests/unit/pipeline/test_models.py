"""Base models in the graph: pre-trained, imported and tuned ones, and bits per byte."""

from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.jobs import BitsPerByteJob
from elasticity.models.jobs import TokenizerJob
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.training.jobs import FineTuneJob, PretrainJob
from tests.unit.pipeline.graph import wildcards

Values = dict[str, Any]

SHAPE = {"layers": 1, "hidden_size": 16, "intermediate_size": 32, "heads": 2, "vocabulary": 320}
SHAPE |= {"key_value_heads": 2, "head_size": 8}

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_models_are_sorted_by_how_they_are_made(values: Values) -> None:
    tuned = {"kind": "tuned", "base": "nano", "task": "reviews", "side": "positive", "examples": 8}
    values["models"] |= {
        "warm": tuned | {"tuning": values["alignment"]},
        "hub": {"kind": "hub", "repo": "org/model", "revision": "0123abcd", "shape": SHAPE},
    }
    models = Pipeline(read_study(values)).models
    assert [list(kind) for kind in (models.pretrained, models.imported, models.from_hub, models.tuned)] == [
        ["nano"],
        ["given", "hub"],
        ["hub"],
        ["warm"],
    ]


def test_a_tuned_model_is_a_base_model_like_any_other(values: Values) -> None:
    tuned = {"kind": "tuned", "base": "nano-step3", "task": "reviews", "side": "positive", "examples": 8, "seed": 5}
    values["models"]["warm"] = tuned | {"tuning": values["alignment"]}
    values["rebound"]["existence"]["bases"] = ["warm"]
    pipeline = Pipeline(read_study(values))
    assert pipeline.models.tuned_start(wildcards(model="warm")) == "results/tiny/models/nano/checkpoints"
    assert pipeline.models.tuned_start_metrics(wildcards(model="warm")) == "results/tiny/models/nano/metrics.json"
    assert pipeline.models.tuned_split(wildcards(model="warm")) == "results/tiny/reviews/splits/positive.parquet"
    job = FineTuneJob.model_validate_json(pipeline.models.tuned_job(wildcards(model="warm")))
    assert (job.start, job.sizes, job.seed) == ("3", (8,), 5)
    alignment = FineTuneJob.model_validate_json(
        pipeline.rebound.alignment_job(wildcards(base="warm", run_sizes="8-16"))
    )
    assert alignment.start == "8"
    assert pipeline.models.base_checkpoints(wildcards(base="warm")) == "results/tiny/models/warm/checkpoints"
    assert pipeline.study.origin("warm") == "nano"


def test_pre_training_keeps_every_checkpoint_and_the_last_one(pipeline: Pipeline) -> None:
    models, where = pipeline.models, wildcards(model="nano", vocabulary=320)
    assert PretrainJob.model_validate_json(models.pretrain_job(where)).checkpoints == (3, 6)
    assert models.pretraining_split(where) == "results/tiny/reviews/splits/pretraining.parquet"
    assert models.tokenizer(where) == "results/tiny/reviews/tokenizers/320"
    assert models.tokenizer_file(where) == "results/tiny/reviews/tokenizers/320/tokenizer.json"
    assert TokenizerJob.model_validate_json(models.tokenizer_job(where)).vocabulary == 320


def test_an_imported_model_depends_on_the_files_of_its_folder(pipeline: Pipeline) -> None:
    folder = Path("models/given")
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match=r"models\.given\.path: models/given is not a model folder: .* config\.json"):
        pipeline.models.check()
    for name in ("config.json", "tokenizer.json", "model.safetensors", "README.md"):
        (folder / name).touch()
    pipeline.models.check()
    assert pipeline.models.import_files(wildcards(model="given")) == [
        f"models/given/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")
    ]


def test_bits_per_byte_are_measured_of_the_base_models_of_a_task(pipeline: Pipeline) -> None:
    job = BitsPerByteJob.model_validate_json(pipeline.models.bits_per_byte_job(wildcards()))
    checkpoints = "results/tiny/models/nano/checkpoints"
    assert job.bases == (("nano", f"{checkpoints}/6"), ("nano-step3", f"{checkpoints}/3"))
    assert pipeline.models.task_checkpoints(wildcards()) == [checkpoints]
    assert pipeline.models.task_metrics(wildcards()) == ["results/tiny/models/nano/metrics.json"]
    assert pipeline.models.measured_tasks() == ["reviews"]


def test_a_task_without_held_out_texts_is_not_measured(values: Values) -> None:
    values["tasks"]["reviews"]["splits"]["held_out"] = 0
    pipeline = Pipeline(read_study(values))
    assert pipeline.models.measured_tasks() == []
    assert pipeline.tables["bits_per_byte"].paths() == []
