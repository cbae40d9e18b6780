"""Measurements between the updates of a run: they change nothing about the training, and survive a kill."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.core.digests import canonical_json, file_digest
from elasticity.core.tables import read_any_rows, read_rows, write_table
from elasticity.data.schemas import EXAMPLES, PROMPTS
from elasticity.evaluation.generation import TransformersEngine, generate
from elasticity.evaluation.jobs import Measurements
from elasticity.evaluation.model_measurement import ModelMeasurement
from elasticity.evaluation.schemas import COMPRESSION, DIVERGENCES, RESPONSES, TEXT_STATISTICS
from elasticity.models.loading import load_for_measuring, load_model, new_model
from elasticity.models.tokenizer import load_tokenizer
from elasticity.training import run
from elasticity.training.backends import OneProcess
from elasticity.training.loop import train
from tests.conftest import ROOT
from tests.unit.conftest import SENTENCES, SHAPE, plain

TUNING = {"learning_rate": 1e-2, "batch_size": 2, "max_length": 24}
CELL = {"alignment_side": "positive", "alignment_recipe": "a", "inverse_recipe": "i", "seed": 1, "alignment_size": 8}
SAMPLING = {"new_tokens": 5, "top_k": 20, "batch_size": 3}
ASKED = {
    "base": "nano",
    "base_checkpoint": 0,
    "cell": CELL,
    "responses": {"sampling": SAMPLING, "engine": "transformers", "template": "plain"},
    "divergence": True,
    "text_statistics": True,
    "compression": {"corpora": ("alignment",), "reading": {"window": 16, "stride": 8}},
}
NOTHING = {"base": "nano", "base_checkpoint": 0, "cell": CELL}
SCHEMAS = {
    "responses": RESPONSES,
    "divergences": DIVERGENCES,
    "compression": COMPRESSION,
    "text-statistics": TEXT_STATISTICS,
}

Weights = dict[str, dict[str, torch.Tensor]]
Finetune = Callable[..., Weights]


class KilledError(Exception):
    """Raised in place of a signal that kills the run."""


@pytest.fixture
def finetune(tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> Finetune:
    """Run a measured job in this process and return the weights of its checkpoints."""
    for name, seed in (("start", 0), ("base", 5)):
        new_model(SHAPE.model_copy(update={"seed": seed}), tokenizer).save_pretrained(tmp_path / name / "0")
        tokenizer.save_pretrained(tmp_path / name / "0")
    write_table(tmp_path / "examples.parquet", plain(SENTENCES), EXAMPLES)
    prompts = [{"prompt_id": str(i), "prompt": text[:9]} for i, text in enumerate(SENTENCES)]
    write_table(tmp_path / "prompts.parquet", prompts, PROMPTS)

    def finetune(
        name: str,
        asked: dict[str, Any],
        sizes: tuple[int, ...] = (0, 4, 8),
        saved: tuple[int, ...] = (0, 4, 8),
        **settings: Any,
    ) -> Weights:
        training = {"start": "0", "settings": TUNING | settings, "sizes": sizes, "seed": 1, "template": "plain"}
        job = canonical_json({"training": training, "measurements": asked, "saved": saved})
        output = tmp_path / name
        output.mkdir(exist_ok=True)
        files = {"start": tmp_path / "start", "examples": tmp_path / "examples.parquet", "state": tmp_path / "state"}
        files |= {"response-prompts": tmp_path / "prompts.parquet", "texts": tmp_path / "examples.parquet"}
        files |= {"losses": output / "losses.parquet", "metrics": output / "metrics.json"}
        files |= {"checkpoints": output / "checkpoints", "base": tmp_path / "base"}
        files |= {table: output / f"{table}.parquet" for table in SCHEMAS}
        options = [text for key, path in files.items() for text in (f"--{key}", str(path))]
        monkeypatch.setattr("sys.argv", ["finetune_measured.py", job, *options])
        runpy.run_path(str(ROOT / "workflow/scripts/finetune_measured.py"))
        return {path.name: load_file(path / "model.safetensors") for path in (output / "checkpoints").iterdir()}

    return finetune


def equal(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[size][name]) for size, weights in one.items() for name, value in weights.items()
    )


def digests(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in folder.glob("*.parquet")}


VARIANTS = {
    "fp32": {"precision": "fp32"},
    "bf16 passes": {"precision": "bf16"},
    "bf16 weights": {"weights": "bf16"},
    "adapters": {"lora": {"rank": 2, "alpha": 6.0}},
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_measuring_changes_nothing_about_the_training(
    finetune: Finetune, tmp_path: Path, settings: dict[str, Any]
) -> None:
    measured, plainly = finetune("measured", ASKED, **settings), finetune("plainly", NOTHING, **settings)
    assert sorted(measured) == ["0", "4", "8"]
    assert equal(measured, plainly)
    assert not equal({"8": measured["8"]}, {"8": measured["4"]})
    assert file_digest(tmp_path / "measured/losses.parquet") == file_digest(tmp_path / "plainly/losses.parquet")
    for table, schema in SCHEMAS.items():
        assert read_rows(tmp_path / f"measured/{table}.parquet", schema)
        assert read_any_rows(tmp_path / f"plainly/{table}.parquet", schema) == []


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_a_model_in_memory_is_measured_like_its_saved_checkpoint(
    finetune: Finetune, tmp_path: Path, settings: dict[str, Any]
) -> None:
    finetune("run", ASKED, **settings)
    prompts = read_rows(tmp_path / "prompts.parquet", PROMPTS)
    measurement = ModelMeasurement(
        Measurements.model_validate(ASKED),
        tmp_path / "start/0",
        base=tmp_path / "base/0",
        prompts=prompts,
        texts=[tmp_path / "examples.parquet"],
    )
    for size in (0, 4, 8):
        tables = measurement.measure_folder(tmp_path / f"run/checkpoints/{size}", size)
        for table, schema in SCHEMAS.items():
            write_table(tmp_path / "again.parquet", tables[table.replace("-", "_")], schema)
            again = read_rows(tmp_path / "again.parquet", schema)
            rows = read_rows(tmp_path / f"run/{table}.parquet", schema)
            assert [row for row in rows if row["inverse_size"] == size] == again


def test_an_extrapolated_checkpoint_is_measured_after_the_training(finetune: Finetune, tmp_path: Path) -> None:
    finetune("run", ASKED, sizes=(8,), saved=(8,), epochs=2, extrapolation=0.5)
    rows = read_rows(tmp_path / "run/responses.parquet", RESPONSES)
    model, tokenizer = load_for_measuring(tmp_path / "run/checkpoints/8"), load_tokenizer(tmp_path / "start/0")
    sampling = Measurements.model_validate(ASKED).responses
    assert sampling is not None
    engine = TransformersEngine(model, tokenizer)
    expected = generate(engine, tokenizer, read_rows(tmp_path / "prompts.parquet", PROMPTS), sampling.sampling, "plain")
    assert [row["response_tokens"] for row in rows] == [row["response_tokens"] for row in expected]


def test_only_the_weights_that_are_asked_for_are_saved(finetune: Finetune, tmp_path: Path) -> None:
    assert list(finetune("one", ASKED, saved=(4,))) == ["4"]
    assert finetune("none", ASKED, saved=()) == {}
    assert digests(tmp_path / "one") == digests(tmp_path / "none")
    assert not list((tmp_path / "state").iterdir())


@pytest.mark.parametrize("save_every_s", ["0", "60"], ids=["a state each update", "no state"])
@pytest.mark.parametrize("death", ["measuring 0", "measuring 4", "measuring 8", "update 1", "update 3"])
def test_a_killed_run_measures_no_checkpoint_twice_and_ends_at_the_same_bytes(
    finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, death: str, save_every_s: str
) -> None:
    finetune("undisturbed", ASKED)
    measured: list[int] = []
    updates: list[float] = []
    measure, step = ModelMeasurement.measure, OneProcess.step

    def dying_measure(self: ModelMeasurement, model: PreTrainedModel, checkpoint: int, *drawn: Any) -> Any:
        if death == f"measuring {checkpoint}" and not resumed:
            raise KilledError
        measured.append(checkpoint)
        return measure(self, model, checkpoint, *drawn)

    def dying_step(self: OneProcess, rate: float) -> None:
        if death == f"update {len(updates)}" and not resumed:
            raise KilledError
        updates.append(rate)
        step(self, rate)

    monkeypatch.setattr(ModelMeasurement, "measure", dying_measure)
    monkeypatch.setattr(OneProcess, "step", dying_step)
    monkeypatch.setattr(run, "SAVE_EVERY_S", save_every_s)
    resumed = False
    with pytest.raises(KilledError):
        finetune("killed", ASKED)
    resumed = True
    finetune("killed", ASKED)
    assert sorted(measured) == [0, 4, 8]
    assert digests(tmp_path / "killed") == digests(tmp_path / "undisturbed")


def test_a_run_over_many_sizes_trains_each_example_once(finetune: Finetune, tmp_path: Path) -> None:
    """With dropped batches every size is a checkpoint: of 5 examples, 4 are trained in batches of 2."""
    together = finetune("together", NOTHING, sizes=(1, 5, 8), saved=(1, 5, 8), last_batch="drop")
    alone = {str(n): finetune(f"{n}", NOTHING, sizes=(n,), saved=(n,), last_batch="drop")[str(n)] for n in (1, 5, 8)}
    assert equal(together, alone)
    assert equal({"4": together["5"]}, finetune("4", NOTHING, sizes=(4,), saved=(4,)))
    start = dict(load_model(tmp_path / "start/0").state_dict())
    assert all(torch.equal(value, start[name]) for name, value in together["1"].items())


def test_the_seconds_of_measurements_are_not_those_of_training(
    finetune: Finetune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def recorded(*arguments: Any) -> Any:
        done.append(train(*arguments))
        return done[-1]

    monkeypatch.setattr(run, "train", recorded)
    finetune("run", ASKED)
    finetune("plain", NOTHING)
    assert done[0].measuring_s > 0
    assert done[0].wall_s > 0
    assert done[1].measuring_s < done[0].measuring_s
