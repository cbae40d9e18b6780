"""Inverse stages that carry the optimizer of the alignment stage, and runs with bf16 weights."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.loading import read_study
from elasticity.config.training import FineTuning
from elasticity.core.errors import UserError
from elasticity.data.examples import Batch, batched, training_examples
from elasticity.models.loading import load_for_measuring, load_model, prepare_for_training
from elasticity.models.shapes import shape_of
from elasticity.pipeline.planning.workload import Training, workload
from elasticity.pipeline.requests.resource_requests import ResourceRequests
from elasticity.pipeline.runs import AlignmentStage
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.runtime.journal import Journal
from elasticity.runtime.launch import VARIABLE, Launch
from elasticity.training.backends import OneProcess, adamw
from elasticity.training.checkpoint import StateFolder
from elasticity.training.jobs import FineTuneJob
from elasticity.training.loop import train
from elasticity.training.objectives import CodeLength
from elasticity.training.recording import Recorder
from elasticity.training.run import RunFiles, carry, run
from tests.unit.conftest import SHAPE, plain

Values = dict[str, Any]
Fresh = Callable[[], PreTrainedModel]

SETTINGS = FineTuning(learning_rate=1e-2, batch_size=2, weight_decay=0.1, precision="fp32", max_length=24)
CARRIED = SETTINGS.model_copy(update={"optimizer": "carried"})
BF16 = SETTINGS.model_copy(update={"weights": "bf16"})


class KilledError(Exception):
    """Raised in place of a signal that kills the run."""


class Dying(list[Batch]):
    """Batches of a run that is killed at the second update."""

    def __getitem__(self, place: Any) -> Any:
        if place == 1:
            raise KilledError
        return super().__getitem__(place)


@pytest.fixture(scope="module")
def batches(tokenizer: PreTrainedTokenizerFast, sentences: list[str]) -> list[Batch]:
    return batched(training_examples(plain(sentences), tokenizer, "plain", 24), 2, tokenizer.pad_token_id)


class Stages:
    """Trains runs, each in its own folder."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        self.folder, self.tokenizer = folder, tokenizer

    def train(
        self,
        name: str,
        model: PreTrainedModel,
        batches: list[Batch],
        settings: FineTuning = SETTINGS,
        start: Path | None = None,
        keep: bool = False,
        save_every_s: float = math.inf,
    ) -> Path:
        """Return the final checkpoint."""
        backend = OneProcess(prepare_for_training(model, Launch()), settings)
        if start is not None:
            carry(backend, start)
        state = StateFolder(self.folder / name, keep)
        journal = Journal(state.folder / "checkpoints")
        recorder = Recorder({"end": len(batches)}, ["end"], self.tokenizer)
        train(backend, batches, CodeLength(), recorder, settings, 2, state, save_every_s, journal)
        return state.checkpoints / "end"


@pytest.fixture
def stages(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> Stages:
    return Stages(tmp_path, tokenizer)


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoint / "model.safetensors")


def equal(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# The optimizer of the alignment stage


@pytest.mark.parametrize("settings", [SETTINGS, BF16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_inverse_stage_with_carried_optimizer_equals_one_uninterrupted_run(
    stages: Stages, fresh_model: Fresh, batches: list[Batch], settings: FineTuning, precision: Any
) -> None:
    settings = settings.model_copy(update={"precision": precision})
    whole = stages.train("whole", fresh_model(), batches, settings)
    first = stages.train("first", fresh_model(), batches[:3], settings, keep=True)
    carried = settings.model_copy(update={"optimizer": "carried"})
    assert equal(stages.train("carried", load_model(first), batches[3:], carried, start=first), whole)
    assert not equal(stages.train("fresh", load_model(first), batches[3:], settings), whole)


def test_a_killed_run_resumes_with_its_own_optimizer(stages: Stages, fresh_model: Fresh, batches: list[Batch]) -> None:
    first = stages.train("first", fresh_model(), batches[:2], keep=True)
    with pytest.raises(KilledError):
        stages.train("killed", load_model(first), Dying(batches[2:]), CARRIED, first, save_every_s=0)
    killed = stages.train("killed", load_model(first), batches[2:], CARRIED, first)
    assert equal(killed, stages.train("whole", fresh_model(), batches))


def test_a_checkpoint_with_an_optimizer_is_an_ordinary_model_folder(
    stages: Stages, fresh_model: Fresh, batches: list[Batch]
) -> None:
    checkpoint = stages.train("first", fresh_model(), batches, keep=True)
    loaded = AutoModelForCausalLM.from_pretrained(checkpoint)
    for name, weight in weights(checkpoint).items():
        assert torch.equal(loaded.get_parameter(name), weight)
    load_for_measuring(checkpoint)
    assert [path.name for path in checkpoint.glob("*.safetensors")] == ["model.safetensors"]
    state = load_file(checkpoint / "optimizer/optimizer.safetensors")
    assert {value.item() for name, value in state.items() if name.endswith(".step")} == {len(batches)}
    assert equal(checkpoint, stages.train("without", fresh_model(), batches))
    assert not (stages.folder / "without/checkpoints/end/optimizer").exists()


def test_a_checkpoint_without_an_optimizer_is_refused(stages: Stages, fresh_model: Fresh, batches: list[Batch]) -> None:
    checkpoint = stages.train("first", fresh_model(), batches)
    with pytest.raises(UserError, match=r"optimizer: carried continues with .* holds none: delete the folder"):
        stages.train("second", load_model(checkpoint), batches, CARRIED, start=checkpoint)


# bf16 weights


def unchanged(model: PreTrainedModel, batch: Batch, settings: FineTuning) -> float:
    """Return the share of weights that one step does not change."""
    backend = OneProcess(prepare_for_training(model, Launch()), settings)
    before = copy.deepcopy([parameter.detach() for parameter in model.parameters()])
    loss = CodeLength().loss(backend, batch, batch)
    backend.backward(loss, last=True)
    backend.gradient_norm()
    backend.step(settings.learning_rate)
    same = [(old == new).flatten() for old, new in zip(before, model.parameters(), strict=True)]
    return torch.cat(same).double().mean().item()


def test_a_small_step_leaves_most_bf16_weights_unchanged(fresh_model: Fresh, batches: list[Batch]) -> None:
    """Only weights below 2^-10 change: 4 % of weights with a standard deviation of 0.02."""
    share = {
        kind: unchanged(fresh_model(), batches[0], SETTINGS.model_copy(update={"learning_rate": 3e-6, "weights": kind}))
        for kind in ("bf16", "fp32")
    }
    assert share["bf16"] > 0.9
    assert share["fp32"] == 0


def test_weights_gradients_and_moments_are_bf16_but_buffers_are_not(fresh_model: Fresh, batches: list[Batch]) -> None:
    model = fresh_model()
    unchanged(model, batches[0], BF16)
    backend = OneProcess(model, BF16)
    loss = CodeLength().loss(backend, batches[0], batches[0])
    backend.backward(loss, last=True)
    assert {parameter.grad.dtype for parameter in model.parameters() if parameter.grad is not None} == {torch.bfloat16}
    backend.step(1e-3)
    moments = [value for state in backend.optimizer.state.values() for key, value in state.items() if key != "step"]
    assert {moment.dtype for moment in moments} == {torch.bfloat16}
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}


def test_master_weights_are_fp32_unless_weights_is_bf16(fresh_model: Fresh) -> None:
    with pytest.raises(TypeError, match="must be fp32"):
        adamw(fresh_model().to(torch.bfloat16), SETTINGS)
    with pytest.raises(TypeError, match="must be bf16"):
        adamw(fresh_model(), BF16)
    assert {parameter.dtype for parameter in OneProcess(fresh_model(), SETTINGS).model.parameters()} == {torch.float32}


def test_checkpoints_of_bf16_weights_are_fp32_folders(stages: Stages, fresh_model: Fresh, batches: list[Batch]) -> None:
    """The next stage loads the trained weights, and the probe was computed in fp32."""
    checkpoint = stages.train("bf16", fresh_model(), batches, BF16)
    for weight in weights(checkpoint).values():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, weight.bfloat16().float())
    loaded = load_for_measuring(checkpoint)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert not equal(checkpoint, stages.train("fp32", fresh_model(), batches))


def test_a_killed_bf16_run_ends_at_the_same_weights(stages: Stages, fresh_model: Fresh, batches: list[Batch]) -> None:
    with pytest.raises(KilledError):
        stages.train("killed", fresh_model(), Dying(batches), BF16, save_every_s=0)
    assert equal(
        stages.train("killed", fresh_model(), batches, BF16), stages.train("whole", fresh_model(), batches, BF16)
    )


# In a study


@pytest.fixture
def study_values(values: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Values:
    monkeypatch.chdir(tmp_path)
    del values["models"]["given"], values["resistance"]
    inverse = values["inverse"]
    values["recipes"] = {"carried": inverse | {"optimizer": "carried"}, "bf16": inverse | {"weights": "bf16"}}
    values["rebound"]["existence"]["inverse_recipe"] = "carried"
    return values


def test_an_alignment_stage_keeps_its_optimizer_only_if_an_inverse_stage_carries_it(study_values: Values) -> None:
    study = read_study(study_values)
    rebound = Pipeline(study).rebound
    for base, kept in (("nano", True), ("nano-step3", False)):
        assert rebound.keeps_optimizer(AlignmentStage("reviews", base, "positive", "alignment", 1)) is kept
        where = {
            "task": "reviews",
            "base": base,
            "side": "positive",
            "alignment_recipe": "alignment",
            "seed": "1",
            "run_sizes": "16",
        }
        job = FineTuneJob.model_validate_json(rebound.alignment_job(SimpleNamespace(**where)))
        assert job.keep_optimizer is kept
    stages = [work for work in workload(study) if isinstance(work, Training) and work.stage == "alignment"]
    assert sorted(work.kept for work in stages) == [1, 1, 3 * 2, 3 * 2]


@pytest.mark.parametrize("recipe", ["carried", "bf16"])
@pytest.mark.parametrize("hardware", [{"gpus": 2}, {"zero_stage": 1}, {"zero_stage": 2, "offload": "optimizer"}])
def test_several_processes_are_refused_in_the_plan(study_values: Values, recipe: str, hardware: Values) -> None:
    study_values["rebound"]["existence"]["inverse_recipe"] = recipe
    gpus = {"device": "cuda", "gpus_per_node": 2}
    ResourceRequests(read_study(study_values | {"hardware": gpus})).check()
    with pytest.raises(UserError, match=r"hardware\.\w+ is .*, but (optimizer: carried|weights: bf16) .* one process"):
        ResourceRequests(read_study(study_values | {"hardware": gpus | hardware})).check()


def test_a_carried_optimizer_is_planned_on_one_gpu(study_values: Values) -> None:
    """The same stage with a fresh optimizer takes several GPUs: 0.1e9 parameters need 1.6 GB."""
    study_values["models"]["nano"] |= {"hidden_size": 1024, "layers": 8}
    study_values["hardware"] = {"device": "cuda", "gpus_per_node": 8, "gpu_memory_gb": 1.6}
    asks = ResourceRequests(read_study(study_values)).inverse.resources["processes"]
    where = {"task": "reviews", "base": "nano", "run_sizes": "8"}
    assert asks(SimpleNamespace(**where, inverse_recipe="inverse")) > 1
    with pytest.raises(UserError, match=r"does not fit.* no more than one \(optimizer: carried"):
        asks(SimpleNamespace(**where, inverse_recipe="carried"))


def test_an_alignment_stage_that_keeps_its_optimizer_needs_one_gpu(study_values: Values) -> None:
    """Its examples are longer than those of the inverse stage, which fits."""
    study_values["models"]["nano"] |= {"hidden_size": 1024, "layers": 8}
    study_values["recipes"]["long"] = study_values["alignment"] | {"max_length": 4000}
    study_values["hardware"] = {"device": "cuda", "gpus_per_node": 8, "gpu_memory_gb": 2}
    for experiment in study_values["rebound"].values():
        experiment["alignment_recipe"] = "long"
    with pytest.raises(UserError, match=r"existence\.alignment_recipe: .* by one process .* [248] GPUs with ZeRO"):
        ResourceRequests(read_study(study_values)).check()
    study_values["rebound"]["existence"]["inverse_recipe"] = "inverse"
    ResourceRequests(read_study(study_values)).check()


@pytest.mark.parametrize(("settings", "keep"), [(CARRIED, False), (BF16, False), (SETTINGS, True)])
def test_settings_for_one_process_are_refused_under_deepspeed(
    settings: FineTuning,
    keep: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tokenizer: PreTrainedTokenizerFast,
    batches: list[Batch],
) -> None:
    monkeypatch.setenv(VARIABLE, Launch(zero_stage=1).model_dump_json())
    outputs = [tmp_path / name for name in ("checkpoints", "losses", "metrics", "state")]
    with pytest.raises(UserError, match=r"launched with DeepSpeed, but .* one process without DeepSpeed"):
        run(
            make_model=lambda: pytest.fail("refused before"),
            shape=shape_of(SHAPE),
            tokenizer=tokenizer,
            batches=batches,
            objective=CodeLength(),
            checkpoints={"8": 4},
            settings=settings,
            files=RunFiles(*outputs, Journal(outputs[0]), {}),
            keep_optimizer=keep,
        )


MISTAKES: dict[str, tuple[Callable[[Values], Any], str]] = {
    "alignment stage": (
        lambda v: v["alignment"].update(optimizer="carried"),
        "alignment_recipe: optimizer: carried .* use fresh here",
    ),
    "realignment stage": (
        lambda v: v["rebound"]["existence"].update(realignment_sizes=[4], realignment_recipe="carried"),
        "realignment_recipe: optimizer: carried .* use fresh here",
    ),
    "adapters before": (lambda v: v["alignment"].update(lora={}), "alignment_recipe: .*lora trains adapters"),
    "adapters": (lambda v: v["recipes"]["carried"].update(lora={}), "inverse_recipe: .*lora trains adapters"),
    "extrapolation": (
        lambda v: v["alignment"].update(epochs=2, extrapolation=0.5),
        "alignment_recipe: .*extrapolation moves them",
    ),
    "bf16 adapters": (lambda v: v["recipes"]["bf16"].update(lora={}), "weights: bf16 is for full fine-tuning"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(study_values: Values, change: Callable[[Values], Any], message: str) -> None:
    change(study_values)
    with pytest.raises(UserError, match=message):
        read_study(study_values)
