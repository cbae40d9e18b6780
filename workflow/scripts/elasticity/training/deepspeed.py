"""Several processes under DeepSpeed's ZeRO, through accelerate."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import DeepSpeedPlugin
from deepspeed.utils import safe_get_local_grad
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from typing_extensions import override

from elasticity.config.training import Optimization
from elasticity.core.errors import UserError
from elasticity.data.examples import Batch
from elasticity.models.loading import probe_nats, save
from elasticity.models.precision import resolved
from elasticity.runtime.launch import BUCKET, Launch
from elasticity.training.backends import Backend, adamw, nats, peak_memory_bytes
from elasticity.training.lora import merged_weights

TAG = "deepspeed"
"""Folder of DeepSpeed's files in a saved state."""


def configuration(settings: Optimization, launch: Launch, bf16: bool, universal: bool) -> dict[str, Any]:
    """Return DeepSpeed's configuration.

    It uses ``torch_autocast`` instead of the ``bf16`` mode: weights, gradients and optimizer stay fp32 on every stage,
    as in one process. The ``bf16`` mode keeps bf16 weights, and its stage 0 gives other results than stages 1 to 3.
    """
    zero: dict[str, Any] = {"stage": launch.zero_stage, "stage3_gather_16bit_weights_on_model_save": True}
    zero |= {f"{what}_bucket_size": BUCKET for what in ("reduce", "allgather", "stage3_prefetch")}
    zero["stage3_max_live_parameters"] = BUCKET
    host = {"device": "cpu", "pin_memory": launch.device == "cuda"}
    if launch.offload != "none":
        zero["offload_optimizer"] = host
    if launch.offload == "weights":
        zero["offload_param"] = host
    return {
        "train_micro_batch_size_per_gpu": 1,  # required by DeepSpeed; the loop divides batches itself
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.gradient_clip,
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,  # torch's AdamW on the host needs no compiler
        "torch_autocast": {"enabled": bf16, "dtype": "bfloat16"},
        "checkpoint": {"load_universal": universal},
        "steps_per_print": sys.maxsize,
    }


class DeepSpeed(Backend):
    """A model whose training is divided among processes with ZeRO stages 0 to 3.

    ``make_model`` is called when DeepSpeed is initialised, so that under ZeRO-3 each process loads only its part.
    ``saved_by`` is the kind of the backend that saved the state to resume from, empty if there is none: DeepSpeed must
    know in advance whether that state was divided among another number of processes.
    """

    def __init__(
        self,
        make_model: Callable[[], PreTrainedModel],
        settings: Optimization,
        launch: Launch,
        saved_by: dict[str, Any],
    ) -> None:
        place = torch.device(launch.device)
        bf16 = resolved(settings.precision, place) == "bf16"
        processes = launch.nodes * launch.processes
        # Stage 0 divides nothing. A state of stage 3 can be converted, but training then differs (DeepSpeed 0.19.8).
        self.universal = launch.zero_stage in (1, 2) and saved_by.get("processes", processes) != processes
        plugin = DeepSpeedPlugin(hf_ds_config=configuration(settings, launch, bf16, self.universal))
        self.accelerator = Accelerator(deepspeed_plugin=plugin, mixed_precision="no")
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()
        self.device = self.accelerator.device
        self.stage = launch.zero_stage
        self.kind = {"name": "deepspeed", "processes": self.processes, "zero_stage": self.stage}
        self.settings = settings
        model = make_model()
        self.engine, _ = self.accelerator.prepare(model, adamw(model, settings))
        masters = [weight for group in self.engine.optimizer.param_groups for weight in group["params"]]
        if any(weight.dtype != torch.float32 for weight in masters):
            raise TypeError("master weights must be fp32")

    @override
    def nats(self, batch: Batch) -> torch.Tensor:
        return nats(self.engine.module, batch, self.settings.precision, self.engine)

    @override
    def whole_model(self) -> PreTrainedModel:
        if self.stage == 3:
            raise UserError(
                "responses are drawn from the model in training, but under ZeRO stage 3 no process has all of it: set "
                "zero_stage to 2 or less in the study's hardware, and take GPUs with more memory or a smaller model"
            )
        model: PreTrainedModel = self.engine.module
        return model

    @override
    def backward(self, loss: torch.Tensor, last: bool) -> None:
        self.engine.set_gradient_accumulation_boundary(is_boundary=last)
        self.engine.backward(loss * self.processes, scale_wrt_gas=False)  # DeepSpeed takes the mean over processes

    @override
    def gradient_norm(self) -> float:
        if self.stage in (1, 2):
            return float(self.engine.optimizer.scaled_global_norm())
        squares = 0.0
        for parameter in self.engine.module.parameters():
            gradient = safe_get_local_grad(parameter) if self.stage == 3 else parameter.grad
            if gradient is not None:
                squares += gradient.double().square().sum().item()
        return math.sqrt(self.total(squares) if self.stage == 3 else squares)

    @override
    def step(self, rate: float) -> None:
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate
        self.engine.step()

    @override
    def total(self, value: float) -> float:
        tensor = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return tensor.item()

    @override
    def any(self, flag: bool) -> bool:
        return self.total(float(flag)) > 0

    @override
    def gather(self, names: list[str]) -> list[str]:
        everyone: list[list[str]] = [[] for _ in range(self.processes)]
        dist.all_gather_object(everyone, names)
        return [name for one in everyone for name in one]

    @override
    def wait(self) -> None:
        dist.barrier()

    @override
    def save_model(self, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        model = self.engine.module
        nats = probe_nats(model, model.config.vocab_size, self.device)
        weights = merged_weights(model)
        if weights is None:
            weights = self.accelerator.get_state_dict(self.engine)  # gathered from all processes
        if self.rank == 0:
            again = _repeated_names(model)
            save(model, tokenizer, folder, nats, {name: weights[name] for name in weights if name not in again})

    @override
    def save_state(self, folder: Path) -> None:
        self.engine.save_checkpoint(folder, tag=TAG, exclude_frozen_parameters=True)

    @override
    def load_state(self, folder: Path, kind: dict[str, Any]) -> bool:
        if kind["name"] != "deepspeed" or kind["zero_stage"] != self.stage:
            return False
        if kind["processes"] != self.processes and self.stage == 3:
            return False
        tag = TAG
        if self.universal:
            tag = f"{TAG}-universal"
            if self.rank == 0:
                _make_universal(folder / TAG, folder / tag)
            self.wait()
        whole = all(parameter.requires_grad for parameter in self.engine.module.parameters())
        path, _ = self.engine.load_checkpoint(folder, tag=tag, load_module_strict=whole)
        return path is not None

    @override
    def peak_memory_bytes(self) -> int:
        return peak_memory_bytes(self.device)

    @override
    def close(self) -> None:
        self.accelerator.end_training()


def _repeated_names(model: PreTrainedModel) -> set[str]:
    """Return the names of tied tensors except the first name of each, under which one process saves it."""
    names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    return names - {name for name, _ in model.named_parameters()}


def _make_universal(source: Path, target: Path) -> None:
    """Convert a state with DeepSpeed's tool, so that any number of processes can load it."""
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"]
    workers = ["--num_extract_workers", "1", "--num_merge_workers", "1"]
    folders = ["--input_folder", str(source), "--output_folder", str(target)]
    done = subprocess.run([*command, *workers, *folders], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{source} cannot be converted for another number of processes: {done.stderr[-2000:]}")
