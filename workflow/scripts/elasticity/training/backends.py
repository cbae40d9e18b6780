"""Backends run the passes and the optimizer: the interface, and the backend for one plain process.

The backend for several processes is in ``deepspeed``.
"""

import copy
import resource
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from typing_extensions import override

from elasticity.config.training import Optimization, Precision
from elasticity.data.examples import IGNORED, Batch
from elasticity.evaluation.passes import over_targets, surprisals
from elasticity.models.loading import device, probe_nats, save
from elasticity.models.precision import autocast
from elasticity.training.lora import merged_weights, without_adapters

OPTIMIZER = "optimizer.safetensors"
"""File of an optimizer's state: moments and step counts of each weight, by its index."""


LOGITS_AT_ONCE = {"cpu": 2**26, "cuda": 2**28}
"""Most logits in memory at once: beyond them logits are computed in chunks, and again in the backward pass.

In fp32 they take 256 MB on a CPU and 1 GB on a GPU, and about three times as much in the backward pass.
"""


class Backend(ABC):
    """A model in training. All processes of a run call the same methods in the same order."""

    rank: int
    processes: int
    device: torch.device
    kind: dict[str, Any]
    """Description of the backend that goes into the manifest of a saved state."""

    @abstractmethod
    def nats(self, batch: Batch) -> torch.Tensor:
        """Return −log p of each target in nats, shape (examples, tokens - 1); 0 where there is no target."""

    @abstractmethod
    def whole_model(self) -> PreTrainedModel:
        """Return the model in training, to draw from.

        Raises ``UserError`` if each process holds only a part of it.
        """

    def plain_model(self) -> PreTrainedModel:
        """Return a model that computes what a checkpoint would: fp32 weights without adapters, possibly a copy."""
        return without_adapters(self.whole_model())

    @contextmanager
    def measured_model(self) -> Iterator[PreTrainedModel]:
        """Lend ``plain_model`` in evaluation mode; its training mode and generation settings are restored."""
        model = self.plain_model()
        training, settings = model.training, model.generation_config
        model.eval()
        try:
            yield model
        finally:
            model.train(training)
            model.generation_config = settings

    @abstractmethod
    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Add the gradient of a part to that of the update; ``last`` marks the last part."""

    @abstractmethod
    def gradient_norm(self) -> float:
        """Return the norm of the gradient of the whole update before clipping; not finite if any gradient is not.

        It comes before ``step``, and may clip the gradient already.
        """

    @abstractmethod
    def step(self, rate: float) -> None:
        """Clip the gradient, update the weights at the learning rate ``rate``, and reset the gradient."""

    @abstractmethod
    def total(self, value: float) -> float:
        """Return the sum of the values of all processes."""

    @abstractmethod
    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process."""

    @abstractmethod
    def gather(self, names: list[str]) -> list[str]:
        """Return the names of all processes."""

    @abstractmethod
    def wait(self) -> None:
        """Wait for the other processes."""

    @abstractmethod
    def save_model(self, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        """Write a model folder in the Hugging Face layout."""

    @abstractmethod
    def save_state(self, folder: Path) -> None:
        """Write the weights that are trained and the state of the optimizer."""

    @abstractmethod
    def load_state(self, folder: Path, kind: dict[str, Any]) -> bool:
        """Load what ``save_state`` wrote; return False if this backend cannot load a state of this kind."""

    @abstractmethod
    def peak_memory_bytes(self) -> int:
        """Return the peak memory of this process: of its GPU, or of the host without a GPU."""

    @abstractmethod
    def close(self) -> None:
        """Leave the group of processes."""


def nats(
    model: PreTrainedModel, batch: Batch, precision: Precision, run: Callable[..., Any] | None = None
) -> torch.Tensor:
    """Return −log p of each target in nats, shape (examples, tokens - 1); 0 where there is no target.

    The model is on the device of the batch. ``run`` is called in its place, for example the engine that wraps it.
    """
    with autocast(precision, batch.tokens.device):
        of_targets = over_targets(surprisals, [model], batch, LOGITS_AT_ONCE[batch.tokens.device.type], run)
    wanted = batch.labels[:, 1:] != IGNORED
    return of_targets.new_zeros(wanted.shape).masked_scatter(wanted, of_targets)


def adamw(model: PreTrainedModel, settings: Optimization) -> torch.optim.AdamW:
    """Return AdamW on the weights that are trained, with weight decay on matrices only.

    Raises ``TypeError`` if the weights are not fp32 (bf16 with ``weights: bf16``): at small learning rates most updates
    of bf16 weights are lost to rounding.
    """
    wanted = torch.bfloat16 if settings.bf16_weights else torch.float32
    if any(parameter.dtype != wanted for parameter in model.parameters()):
        raise TypeError(f"master weights must be {'bf16' if settings.bf16_weights else 'fp32'}")
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if _dimensions(p) >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if _dimensions(p) < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2), fused=True)


def convert(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Convert the weights in place; buffers, such as those of rotary positions, keep their type."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def _dimensions(parameter: torch.nn.Parameter) -> int:
    """Return the number of dimensions of the whole parameter: under ZeRO-3 a process may hold a flat part of it."""
    return len(getattr(parameter, "ds_shape", parameter.shape))


def peak_memory_bytes(place: torch.device) -> int:
    """Return the peak memory of this process on its device, in bytes."""
    if place.type == "cuda":
        return torch.cuda.max_memory_allocated(place)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class OneProcess(Backend):
    """Plain PyTorch on one CPU core or one GPU."""

    rank = 0
    processes = 1

    def __init__(self, model: PreTrainedModel, settings: Optimization) -> None:
        self.device = device()
        self.kind = {"name": "plain"}
        self.model = model
        torch.nn.Module.to(model, self.device)
        self.settings = settings
        if settings.bf16_weights:
            convert(model, torch.bfloat16)
        self.optimizer = adamw(model, settings)

    @override
    def nats(self, batch: Batch) -> torch.Tensor:
        return nats(self.model, batch, self.settings.precision)

    @override
    def whole_model(self) -> PreTrainedModel:
        return self.model

    @override
    def plain_model(self) -> PreTrainedModel:
        if not self.settings.bf16_weights:
            return super().plain_model()
        model = copy.deepcopy(self.model)
        convert(model, torch.float32)
        return model

    @override
    def backward(self, loss: torch.Tensor, last: bool) -> None:
        loss.backward()

    @override
    def gradient_norm(self) -> float:
        return torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_clip).item()

    @override
    def step(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()

    @override
    def total(self, value: float) -> float:
        return value

    @override
    def any(self, flag: bool) -> bool:
        return flag

    @override
    def gather(self, names: list[str]) -> list[str]:
        return names

    @override
    def wait(self) -> None:
        pass

    @override
    def save_model(self, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        model = self.plain_model() if self.settings.bf16_weights else self.model  # models are loaded in fp32
        nats = probe_nats(model, model.config.vocab_size, self.device)
        save(model, tokenizer, folder, nats, merged_weights(model))

    def save_optimizer(self, folder: Path) -> None:
        """Write the state of the optimizer, from which this run or another one can continue."""
        folder.mkdir(exist_ok=True)
        state = self.optimizer.state_dict()["state"]
        tensors = {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}
        save_file(tensors, folder / OPTIMIZER)

    def load_optimizer(self, folder: Path) -> None:
        """Load what ``save_optimizer`` wrote for a model of the same shape."""
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in load_file(folder / OPTIMIZER).items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})

    @override
    def save_state(self, folder: Path) -> None:
        save_file(
            {name: p.detach().contiguous() for name, p in self._parameters().items()}, folder / "model.safetensors"
        )
        self.save_optimizer(folder)

    @override
    def load_state(self, folder: Path, kind: dict[str, Any]) -> bool:
        if kind != self.kind:
            return False
        with torch.no_grad():
            for name, value in load_file(folder / "model.safetensors").items():
                self._parameters()[name].copy_(value)
        self.load_optimizer(folder)
        return True

    @override
    def peak_memory_bytes(self) -> int:
        return peak_memory_bytes(self.device)

    @override
    def close(self) -> None:
        pass

    def _parameters(self) -> dict[str, torch.nn.Parameter]:
        """Return the parameters that are trained by name; tied weights have one entry."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}
