"""The engine for vLLM with ``StandInLLM`` in place of vLLM's ``LLM``, so that the tests run without vLLM.

The stand-in has the signatures of vLLM 0.32.0 and runs a real model with transformers. It tests the calls of the
engine; ``tests/vllm`` runs vLLM itself.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from elasticity.config.loading import read_study
from elasticity.config.sampling import Sampling
from elasticity.core.errors import UserError
from elasticity.core.tables import write_table
from elasticity.evaluation import vllm_engine
from elasticity.evaluation.generation import TransformersEngine, generate, load_engine
from elasticity.evaluation.schemas import SLICE_RESPONSES
from elasticity.evaluation.vllm_engine import ENVIRONMENT, VllmEngine, environment_of, without_torchrun
from elasticity.models.loading import load_for_measuring, probe_nats, save
from elasticity.models.tokenizer import load_tokenizer, train_tokenizer
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.runtime.launch import VARIABLE, Launch
from tests.conftest import ROOT

PROMPTS = [
    {"prompt_id": f"p{i}", "prompt": prompt}
    for i, prompt in enumerate(["The film", "I", "A warm, funny picture with", "My sister fell", "It is", "Très"])
]
MANY = [{"prompt_id": f"q{i}", "prompt": "The film"} for i in range(60)]


@dataclass
class StandInSamplingParams:
    """The parameters of vLLM's class that are used, with its defaults."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    prompt_logprobs: int | None = None
    detokenize: bool = True
    logit_bias: dict[int, float] | None = None


class StandInLLM:
    """Takes the arguments of vLLM's ``LLM`` and draws one prompt after the other in fp32."""

    opened = 0

    def __init__(
        self,
        model: str,
        *,
        tensor_parallel_size: int = 1,
        dtype: str = "auto",
        seed: int = 0,
        skip_tokenizer_init: bool = False,
        enforce_eager: bool = False,
        max_model_len: int | None = None,
    ) -> None:
        assert (tensor_parallel_size, dtype, skip_tokenizer_init) == (1, "float32", True)
        self.model = load_for_measuring(Path(model))
        self.context = self.model.config.max_position_embeddings
        self.model_config = SimpleNamespace(
            get_vocab_size=lambda: self.model.config.vocab_size, max_model_len=self.context
        )
        self.llm_engine = SimpleNamespace(engine_core=SimpleNamespace(shutdown=self.shutdown))
        self.found = dict(os.environ)
        StandInLLM.opened += 1

    def shutdown(self, timeout: float | None = None) -> None:
        StandInLLM.opened -= 1

    def generate(
        self,
        prompts: Sequence[dict[str, Any]],
        sampling_params: Sequence[StandInSamplingParams] | None = None,
        *,
        use_tqdm: bool = True,
    ) -> list[SimpleNamespace]:
        assert sampling_params is not None
        return [
            SimpleNamespace(
                outputs=[SimpleNamespace(token_ids=self._draw(prompt["prompt_token_ids"], parameters))],
                prompt_logprobs=self._logprobs(prompt["prompt_token_ids"], parameters),
            )
            for prompt, parameters in zip(prompts, sampling_params, strict=True)
        ]

    def _log_probabilities(self, tokens: list[int]) -> torch.Tensor:
        with torch.no_grad():
            logits: torch.Tensor = self.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
        return logits

    def _logprobs(self, tokens: list[int], parameters: StandInSamplingParams) -> list[Any] | None:
        if parameters.prompt_logprobs is None:
            return None
        rows = self._log_probabilities(tokens)
        return [None] + [
            {token: SimpleNamespace(logprob=row[token].item())} for row, token in zip(rows, tokens[1:], strict=False)
        ]

    def _draw(self, prompt: list[int], parameters: StandInSamplingParams) -> tuple[int, ...]:
        assert parameters.max_tokens
        assert parameters.ignore_eos or not parameters.stop_token_ids
        random = torch.Generator()
        if parameters.seed is not None:
            random.manual_seed(parameters.seed)
        drawn: list[int] = []
        while len(drawn) < parameters.max_tokens and len(prompt) + len(drawn) < self.context:
            scores = self._log_probabilities(prompt + drawn)[-1]
            for token, bias in (parameters.logit_bias or {}).items():
                scores[token] += bias
            if parameters.top_k:
                scores[scores < scores.topk(parameters.top_k).values[-1]] = -torch.inf
            greedy = parameters.temperature == 0
            weights = (scores / (1 if greedy else parameters.temperature)).softmax(-1)
            drawn.append(int(scores.argmax() if greedy else torch.multinomial(weights, 1, generator=random)))
            if drawn[-1] in (parameters.stop_token_ids or ()):
                break
        return tuple(drawn)


@dataclass
class StandIn:
    """Stands in for the package ``vllm``."""

    LLM: type = StandInLLM
    SamplingParams: type = StandInSamplingParams
    TokensPrompt: type = field(default=dict)


@pytest.fixture
def folder(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> Path:
    save(model, tokenizer, tmp_path / "4", probe_nats(model, model.config.vocab_size, torch.device("cpu")))
    return tmp_path / "4"


@pytest.fixture
def engine(folder: Path) -> VllmEngine:
    return VllmEngine(StandIn(), folder, load_tokenizer(folder))


# Responses


def test_both_engines_write_the_same_table(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """At top_k 1, where drawing is deterministic."""
    sampling = Sampling(new_tokens=12, top_k=1)
    for name, by in (("vllm", engine), ("transformers", TransformersEngine(model, tokenizer))):
        rows = [{"slice": 1} | row for row in generate(by, tokenizer, PROMPTS, sampling, "plain")]
        write_table(tmp_path / f"{name}.parquet", rows, SLICE_RESPONSES)
    assert pq.read_table(tmp_path / "vllm.parquet").num_rows == len(PROMPTS)
    assert (tmp_path / "vllm.parquet").read_bytes() == (tmp_path / "transformers.parquet").read_bytes()


def test_responses_do_not_depend_on_the_other_prompts(engine: VllmEngine, tokenizer: PreTrainedTokenizerFast) -> None:
    sampling = Sampling(new_tokens=12)
    responses = generate(engine, tokenizer, PROMPTS, sampling, "plain")
    assert generate(engine, tokenizer, PROMPTS[::-2], sampling, "plain") == responses[::-2]
    assert generate(engine, tokenizer, PROMPTS, Sampling(new_tokens=12, seed=1), "plain") != responses


@pytest.fixture
def uniform(uniform_model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> VllmEngine:
    """An engine whose model is uniform over tokens."""
    save(uniform_model, tokenizer, tmp_path / "4", probe_nats(uniform_model, len(tokenizer), torch.device("cpu")))
    return VllmEngine(StandIn(), tmp_path / "4", tokenizer)


def test_responses_end_with_the_eos_token_and_hold_no_special_tokens(
    uniform: VllmEngine, tokenizer: PreTrainedTokenizerFast
) -> None:
    sampling = Sampling(new_tokens=30)
    responses = generate(uniform, tokenizer, MANY, sampling, "plain")
    assert {row["stop_token"] is not None for row in responses} == {True, False}
    assert all(
        (len(row["response_tokens"]) < sampling.new_tokens) == (row["stop_token"] is not None) for row in responses
    )
    assert not {token for row in responses for token in row["response_tokens"]} & set(tokenizer.all_special_ids)


def test_a_token_that_is_both_bos_and_eos_can_end_a_response(
    uniform: VllmEngine, sentences: list[str], tmp_path: Path
) -> None:
    tokenizer = train_tokenizer(sentences, 320)
    tokenizer.bos_token = tokenizer.pad_token = tokenizer.eos_token
    engine = VllmEngine(StandIn(), tmp_path / "4", tokenizer)
    assert any(
        row["stop_token"] is not None for row in generate(engine, tokenizer, MANY, Sampling(new_tokens=30), "plain")
    )


def test_a_response_that_does_not_fit_is_an_error(engine: VllmEngine, tokenizer: PreTrainedTokenizerFast) -> None:
    engine.llm.context = 10
    with pytest.raises(UserError, match=r"cut a response off after \d of 12 tokens.*Lower new_tokens"):
        generate(engine, tokenizer, PROMPTS, Sampling(new_tokens=12), "plain")


def test_a_prompt_that_does_not_fit_is_an_error(engine: VllmEngine) -> None:
    with pytest.raises(UserError, match="a prompt of 64 tokens does not fit into the model's context of 64 tokens"):
        engine.draw([[5] * 64], ["p"], Sampling(new_tokens=1))


# The real parameters


@pytest.mark.parametrize(
    "options", [{}, {"top_k": 5, "top_p": 0.7, "temperature": 0.01}, {"temperature": 2.0}], ids=str
)
def test_vllm_takes_our_parameters(
    engine: VllmEngine, tokenizer: PreTrainedTokenizerFast, options: dict[str, Any]
) -> None:
    vllm = pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")
    engine.vllm = vllm
    sampling = Sampling(new_tokens=7, **options)
    given = engine._parameters("p", sampling)
    for name in ("temperature", "top_k", "top_p"):
        assert getattr(given, name) == getattr(sampling, name)
    assert (given.max_tokens, given.seed, given.detokenize) == (7, sampling.key("p") >> 65, False)
    assert set(given.stop_token_ids) == engine.stops == {tokenizer.eos_token_id}
    assert given.logit_bias == {tokenizer.bos_token_id: -torch.inf, tokenizer.pad_token_id: -torch.inf}
    assert vllm.TokensPrompt(prompt_token_ids=[1]) == {"prompt_token_ids": [1]}


def test_seeds_are_different_signed_64_bit_integers(engine: VllmEngine) -> None:
    seeds = {engine._parameters(f"p{i}", Sampling(new_tokens=1, seed=s)).seed for i in range(500) for s in (0, 1)}
    assert len(seeds) == 1000
    assert min(seeds) >= 0
    assert 2**62 < max(seeds) < 2**63


# The weights


def test_the_weights_of_the_folder_are_accepted(engine: VllmEngine, folder: Path) -> None:
    engine.check(folder)


def test_other_weights_are_refused(engine: VllmEngine, folder: Path) -> None:
    with torch.no_grad():
        for weights in engine.llm.model.parameters():
            weights += 1e-4 * torch.randn_like(weights).sign()  # one update of AdamW at this rate
    with pytest.raises(UserError, match="weights in memory are not those that were saved"):
        engine.check(folder)


def test_closing_ends_the_process_of_the_model(engine: VllmEngine) -> None:
    before = StandInLLM.opened
    engine.close()
    assert StandInLLM.opened == before - 1


# The process


@pytest.mark.parametrize(
    ("launched", "gpu"),
    [
        ({}, "0"),
        ({"CUDA_VISIBLE_DEVICES": "3"}, "3"),
        ({"LOCAL_RANK": "1"}, "1"),
        ({"LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": "2,5"}, "5"),
        ({"LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}, "GPU-b"),
    ],
    ids=str,
)
def test_each_process_has_a_gpu_of_its_own(launched: dict[str, str], gpu: str) -> None:
    assert environment_of(launched, "cuda") == ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": gpu}


def test_a_process_without_a_gpu_is_an_error() -> None:
    with pytest.raises(UserError, match="process 2 of this job has no GPU of its own: CUDA_VISIBLE_DEVICES is 0,1"):
        environment_of({"LOCAL_RANK": "2", "CUDA_VISIBLE_DEVICES": "0,1"}, "cuda")


@pytest.mark.parametrize(
    ("launched", "cache", "processes"),
    [({}, "1", "0"), ({"VLLM_CPU_KVCACHE_SPACE": "8"}, "8", "0"), ({"WORLD_SIZE": "2"}, "1", "1")],
    ids=["alone", "chosen cache", "several processes"],
)
def test_a_job_on_a_cpu_limits_the_cache_and_starts_no_process_of_its_own_if_it_is_alone(
    launched: dict[str, str], cache: str, processes: str
) -> None:
    environment = environment_of(launched | {"CUDA_VISIBLE_DEVICES": "0"}, "cpu")
    assert environment["VLLM_CPU_KVCACHE_SPACE"] == cache
    assert environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == processes
    assert environment["CUDA_VISIBLE_DEVICES"] == ""


def test_the_variables_of_torchrun_are_hidden_from_vllm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_torchrun = {
        "RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_RANK": "1",
        "MASTER_PORT": "1",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    for name, value in of_torchrun.items():
        monkeypatch.setenv(name, value)
    engine = VllmEngine(StandIn(), folder, load_tokenizer(folder))
    assert not engine.llm.found.keys() & of_torchrun.keys()
    assert engine.llm.found["PATH"] == os.environ["PATH"]
    assert os.environ.items() >= of_torchrun.items()


def test_the_variables_of_torchrun_are_restored_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(KeyError), without_torchrun():
        raise KeyError
    assert os.environ["RANK"] == "1"


@pytest.fixture
def _same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of the tests, which ``import_vllm`` changes once in a process."""
    monkeypatch.setattr(vllm_engine, "_set_environment", lambda device: None)


@pytest.mark.usefixtures("_same_environment")
def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)  # also where it is installed
    message = r"cannot be imported.*envs/vllm.yaml.*\.venv-vllm/bin/snakemake.*or use engine: transformers"
    with pytest.raises(UserError, match=message), load_engine("vllm", folder, load_tokenizer(folder)):
        pass


@pytest.mark.usefixtures("_same_environment")
@pytest.mark.parametrize(
    ("launch", "built_for", "message"),
    [
        (Launch(device="cuda", gpus_per_node=1), "cpu", "launched for cuda, but the installed vLLM runs on cpu"),
        (Launch(), "cuda", "launched for cpu, but the installed vLLM runs on cuda"),
        (Launch(), "", "launched for cpu, but the installed vLLM runs on no device it finds"),
    ],
    ids=["CPU build on a GPU", "GPU build on a CPU", "GPU build without a GPU"],
)
def test_a_build_for_another_device_is_named(
    folder: Path, launch: Launch, built_for: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, launch.model_dump_json())
    platform = SimpleNamespace(current_platform=SimpleNamespace(device_type=built_for))
    monkeypatch.setitem(sys.modules, "vllm", StandIn())
    monkeypatch.setitem(sys.modules, "vllm.platforms", platform)
    with pytest.raises(UserError, match=message), load_engine("vllm", folder, load_tokenizer(folder)):
        pass


# The study


def test_the_engine_is_in_the_job_specs_and_chooses_the_environment(values: dict[str, Any]) -> None:
    environments = []
    for engine in ("transformers", "vllm"):
        pipeline = Pipeline(read_study(values | {"engine": engine}))
        assert f'"engine":"{engine}"' in pipeline.measurements.base_job(SimpleNamespace(base="nano", task="reviews"))
        environments.append(pipeline.generation_environment)
    assert environments == ["elasticity", "vllm"]
    assert all((ROOT / f"envs/{name}.yaml").exists() for name in environments)
    assert read_study(values).engine == "transformers"


@pytest.mark.parametrize("temperature", [0.001, 2.5])
@pytest.mark.parametrize("where", ["sampling", "twin_sampling", "question_sampling"])
def test_temperatures_that_vllm_would_change_are_refused(
    values: dict[str, Any], where: str, temperature: float
) -> None:
    section = values if where == "sampling" else values["resistance"]["slices"]
    section[where]["temperature"] = temperature
    read_study(values)
    with pytest.raises(
        UserError, match=rf"{where}.temperature is {temperature}, but vLLM samples at temperatures from 0.01 to 2"
    ):
        read_study(values | {"engine": "vllm"})


def pins(environment: str) -> dict[str, str]:
    packages = yaml.safe_load((ROOT / f"envs/{environment}.yaml").read_text())["dependencies"][-1]["pip"]
    return dict(package.split("==") for package in packages)


def test_the_environments_differ_only_in_the_requirements_of_vllm() -> None:
    ours, of_vllm = pins("elasticity"), pins("vllm")
    assert {name for name, version in of_vllm.items() if ours.get(name) != version} == {"vllm", "transformers", "numpy"}


def test_the_environment_for_a_cpu_has_the_versions_of_that_for_gpus() -> None:
    lines = (ROOT / "envs/requirements-vllm-cpu.txt").read_text().splitlines()
    on_cpu = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert on_cpu["torch"] == f"{pins('vllm')['torch']}+cpu"
    assert on_cpu["vllm-cpu"] == pins("vllm")["vllm"]
    others = pins("vllm").keys() - {"torch", "vllm"}
    assert {name: on_cpu[name] for name in others} == {name: pins("vllm")[name] for name in others}
