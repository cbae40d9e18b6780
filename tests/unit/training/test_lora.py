import runpy
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.training import Lora, Optimization
from elasticity.core.digests import canonical_json
from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.data.examples import Batch, batched, training_examples
from elasticity.data.schemas import EXAMPLES
from elasticity.models.loading import load_for_measuring, new_model, prepare_for_training
from elasticity.runtime.launch import VARIABLE, Launch
from elasticity.training import run
from elasticity.training.backends import OneProcess
from elasticity.training.lora import adapted, merged_weights
from tests.conftest import ROOT
from tests.unit.conftest import SENTENCES, SHAPE, plain

Job = Callable[..., dict[str, dict[str, torch.Tensor]]]

LORA = Lora(rank=2, alpha=6.0)
SETTINGS = Optimization(learning_rate=1e-2, batch_size=2, weight_decay=0.1, precision="fp32")
TUNING = {"learning_rate": 1e-2, "batch_size": 2, "max_length": 24, "precision": "fp32"}


class KilledError(Exception):
    """Raised in place of a signal that kills the run."""


def gpt2() -> PreTrainedModel:
    """Return a model whose matrices are stored transposed."""
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=320, n_embd=16, n_layer=1, n_head=2, n_positions=64))


IGNORED = "ignore:fan_in_fan_out"
"""Warning of peft about the transposed matrices of GPT-2."""


@pytest.fixture(params=["llama", "untied llama", "gpt-2"])
def any_model(
    request: pytest.FixtureRequest, fresh_model: Callable[[], PreTrainedModel], model: PreTrainedModel
) -> PreTrainedModel:
    return {"llama": fresh_model, "untied llama": lambda: model, "gpt-2": gpt2}[request.param]()


@pytest.fixture
def batches(tokenizer: PreTrainedTokenizerFast) -> list[Batch]:
    return batched(training_examples(plain(SENTENCES), tokenizer, "plain", 24), 2, tokenizer.pad_token_id)


def back_propagate(model: PreTrainedModel, batch: Batch) -> None:
    logits = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits
    functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten()).backward()


def trained(model: PreTrainedModel, batches: list[Batch]) -> OneProcess:
    backend = OneProcess(prepare_for_training(adapted(model, LORA, 1), Launch()), SETTINGS)
    for batch in batches:
        back_propagate(backend.model, batch)
        backend.step(SETTINGS.learning_rate)
    return backend


def copied(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.state_dict().items()}


@pytest.mark.filterwarnings(IGNORED)
def test_only_adapters_are_trained(any_model: PreTrainedModel, batches: list[Batch]) -> None:
    before = copied(any_model)
    linear = {name for name, module in any_model.named_modules() if type(module).__name__ in ("Linear", "Conv1D")}
    model = trained(any_model, batches).model
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    expected = {f"{name}.lora_{part}.default.weight" for name in linear - {"lm_head"} for part in "AB"}
    assert learning == expected
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    for name, weight in model.state_dict().items():
        if "lora_" not in name:
            assert torch.equal(weight, before[name.replace(".base_layer", "")])
        else:
            assert weight.abs().max() > 0


@pytest.mark.filterwarnings(IGNORED)
def test_merged_weights_compute_what_the_live_model_does(any_model: PreTrainedModel, batches: list[Batch]) -> None:
    ordinary, names = deepcopy(any_model), list(any_model.state_dict())
    before = copied(any_model)
    model = trained(any_model, batches).model
    live, merged = copied(model), merged_weights(model)
    assert merged is not None
    assert list(merged) == names
    assert all(torch.equal(weight, live[name]) for name, weight in model.state_dict().items())
    ordinary.load_state_dict(merged)
    with torch.no_grad():
        outputs = [one.eval()(input_ids=batches[0].tokens).logits for one in (model, ordinary)]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=0)
    moved = {name: weight - before[name] for name, weight in merged.items()}
    assert {torch.linalg.matrix_rank(change, atol=1e-6).item() for change in moved.values() if change.any()} == {2}


def test_the_first_gradient_is_the_projected_one_of_full_fine_tuning(
    fresh_model: Callable[[], PreTrainedModel], batches: list[Batch]
) -> None:
    """W + s B A with B = 0: the gradient of B is s G Aᵀ, where G is that of W; A has none yet."""
    full, model = fresh_model(), adapted(fresh_model(), LORA, 1)
    for one in (full, model):
        back_propagate(one, batches[0])
    down = dict(model.named_parameters())
    for name in ("self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj"):
        whole = full.get_submodule(f"model.layers.0.{name}").weight.grad
        a, b = (down[f"model.layers.0.{name}.lora_{part}.default.weight"] for part in "AB")
        torch.testing.assert_close(b.grad, 3.0 * whole @ a.detach().T, atol=1e-7, rtol=1e-4)
        assert not a.grad.any()


def test_gradient_checkpointing_reaches_the_adapters(
    fresh_model: Callable[[], PreTrainedModel], batches: list[Batch]
) -> None:
    gradients = []
    for checkpointing in (False, True):
        launch = Launch(gradient_checkpointing=checkpointing)
        model = prepare_for_training(adapted(fresh_model(), LORA, 1), launch)
        back_propagate(model, batches[0])
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.requires_grad})
    torch.set_autocast_cache_enabled(True)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name])
    assert any(gradient.any() for gradient in gradients[1].values())


def test_the_seed_alone_determines_the_start(fresh_model: Callable[[], PreTrainedModel]) -> None:
    def start(seed: int) -> torch.Tensor:
        model = adapted(fresh_model(), LORA, seed)
        return torch.cat([p.flatten() for name, p in model.named_parameters() if "lora_A" in name])

    first = start(1)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    model = fresh_model()
    torch.manual_seed(5)
    adapted(model, LORA, 9)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(start(1), first)
    assert not torch.equal(start(2), first)


def test_zero_stage_3_is_refused(fresh_model: Callable[[], PreTrainedModel], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, Launch(zero_stage=3).model_dump_json())
    with pytest.raises(UserError, match="zero_stage 3"):
        adapted(fresh_model(), LORA, 1)


def test_without_lora_nothing_is_merged(model: PreTrainedModel) -> None:
    assert merged_weights(adapted(model, None, 1)) is None


# The whole job


@pytest.fixture
def finetune(tmp_path: Path, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Run the job in this process and return the weights of its checkpoints."""
    new_model(SHAPE, tokenizer).save_pretrained(tmp_path / "start/0")
    tokenizer.save_pretrained(tmp_path / "start/0")
    write_table(tmp_path / "examples.parquet", plain(SENTENCES), EXAMPLES)

    def finetune(
        name: str, sizes: tuple[int, ...], contrast: dict[str, Any] | None = None, **settings: Any
    ) -> dict[str, dict[str, torch.Tensor]]:
        training = {"start": "0", "settings": TUNING | settings, "sizes": sizes, "seed": 1, "template": "plain"}
        job = canonical_json(training | {"contrast": contrast})
        output = tmp_path / name
        output.mkdir(exist_ok=True)
        files = {"start": tmp_path / "start", "examples": tmp_path / "examples.parquet", "state": tmp_path / "state"}
        files["validation"] = tmp_path / "examples.parquet"
        files |= {
            "losses": output / "losses.parquet",
            "metrics": output / "metrics.json",
            "checkpoints": output / "checkpoints",
        }
        options = [text for key, path in files.items() for text in (f"--{key}", str(path))]
        monkeypatch.setattr("sys.argv", ["finetune.py", job, *options])
        runpy.run_path(str(ROOT / "workflow/scripts/finetune.py"))
        return {
            checkpoint.name: load_file(checkpoint / "model.safetensors")
            for checkpoint in (output / "checkpoints").iterdir()
        }

    return finetune


def killed(finetune: Job, monkeypatch: pytest.MonkeyPatch, *job: Any, after: int, **settings: Any) -> None:
    """Run the job with a state after each update, and kill it after ``after`` steps."""
    steps: list[float] = []
    step = OneProcess.step

    def dying(self: OneProcess, rate: float) -> None:
        if len(steps) == after:
            raise KilledError
        steps.append(rate)
        step(self, rate)

    with monkeypatch.context() as patch:
        patch.setattr(OneProcess, "step", dying)
        patch.setattr(run, "SAVE_EVERY_S", "0")
        with pytest.raises(KilledError):
            finetune(*job, **settings)


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


ADAPTERS = {"lora": {"rank": 2, "alpha": 6.0}}


def test_checkpoints_are_ordinary_models_and_equal_independent_runs(finetune: Job, tmp_path: Path) -> None:
    checkpoints = finetune("long", (0, 4, 8), **ADAPTERS)
    assert equal(checkpoints["4"], finetune("short", (4,), **ADAPTERS)["4"])
    assert equal(checkpoints["0"], load_file(tmp_path / "start/0/model.safetensors"))
    assert not equal(checkpoints["4"], checkpoints["8"])
    for checkpoint in (tmp_path / "long/checkpoints").iterdir():
        assert not [path for path in checkpoint.iterdir() if "adapter" in path.name]
        model = AutoModelForCausalLM.from_pretrained(checkpoint)
        assert all(
            torch.equal(model.state_dict()[name], weight) for name, weight in checkpoints[checkpoint.name].items()
        )
        load_for_measuring(checkpoint)  # the probe of the live model is that of the merged one


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_run_ends_at_bit_identical_weights_and_its_state_holds_adapters_only(
    finetune: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    killed(finetune, monkeypatch, "run", (4, 8), after=after, **ADAPTERS)
    (state,) = tmp_path.glob("state/*/update-*")
    assert int(state.name.split("-")[1]) == after
    assert all("lora_" in name for name in load_file(state / "model.safetensors"))
    resumed, expected = finetune("run", (4, 8), **ADAPTERS), finetune("whole", (4, 8), **ADAPTERS)
    assert all(equal(resumed[checkpoint], expected[checkpoint]) for checkpoint in ("4", "8"))
