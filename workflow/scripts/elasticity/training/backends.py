"""What runs the passes and the optimizer: one plain process here, several under DeepSpeed in ``distributed``."""

import copy
import resource
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from typing_extensions import override

from elasticity.config.training import Optimization, Precision
from elasticity.data.examples import Batch
from elasticity.models.loading import autocast, device, probe_nats, save
from elasticity.training.lora import merged_weights

OPTIMIZER = "optimizer.safetensors"
"""The state of an optimizer: moments and step counts of each weight, by its number."""


class Backend(ABC):
    """A model in training. All processes of a run call the same methods in the same order."""

    rank: int
    processes: int
    device: torch.device
    kind: dict[str, Any]
    """What states are saved as: goes into their manifest."""

    @abstractmethod
    def logits(self, batch: Batch) -> torch.Tensor:
        """Forward pass; shape (examples, tokens, vocabulary)."""

    @abstractmethod
    def whole_model(self) -> PreTrainedModel:
        """The model in training, to draw from. Raises ``UserError`` where each process has a part of it only."""

    @abstractmethod
    def backward(self, loss: torch.Tensor, last: bool) -> None:
        """Add this part's gradient to those of the update; ``last`` says that no part follows."""

    @abstractmethod
    def gradient_norm(self) -> float:
        """Of the whole update, before clipping; not finite if any gradient is not."""

    @abstractmethod
    def step(self, rate: float) -> None:
        """Clip, update the weights at this learning rate, forget the gradients."""

    @abstractmethod
    def total(self, value: float) -> float:
        """The sum of all processes' values."""

    @abstractmethod
    def any(self, flag: bool) -> bool:
        """Whether any process says so."""

    @abstractmethod
    def gather(self, names: list[str]) -> list[str]:
        """Those of all processes."""

    @abstractmethod
    def wait(self) -> None:
        """For the other processes."""

    @abstractmethod
    def save_model(self, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        """Write an ordinary model folder."""

    @abstractmethod
    def save_state(self, folder: Path) -> None:
        """Write the weights that are trained, and the optimizer."""

    @abstractmethod
    def load_state(self, folder: Path, kind: dict[str, Any]) -> bool:
        """Read what ``save_state`` wrote; False if it is of a kind that cannot be read."""

    @abstractmethod
    def peak_memory_bytes(self) -> int:
        """The most that a process has used: of the GPU, or of the host where there is none."""

    @abstractmethod
    def close(self) -> None:
        """Part from the other processes."""


def logits(model: PreTrainedModel, batch: Batch, precision: Precision) -> torch.Tensor:
    """Forward pass of a plain model on the batch's device; shape (examples, tokens, vocabulary)."""
    with autocast(precision, batch.tokens.device):
        output: torch.Tensor = model(input_ids=batch.tokens, attention_mask=batch.attention, use_cache=False).logits
    return output


def adamw(model: PreTrainedModel, settings: Optimization) -> torch.optim.AdamW:
    """AdamW on the weights that are trained; weight decay on matrices only, as is usual.

    At small learning rates bf16 weights would hardly move, so others than fp32 are refused, unless that is what the
    settings are about.
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
    """Change the type of the weights in place; buffers, those of rotary positions among them, stay exact."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def _dimensions(parameter: torch.nn.Parameter) -> int:
    """Of the whole parameter: under ZeRO-3 only a flat part of it may be here."""
    return len(getattr(parameter, "ds_shape", parameter.shape))


def peak_memory_bytes(place: torch.device) -> int:
    """The most memory that this process has used on its device."""
    if place.type == "cuda":
        return torch.cuda.max_memory_allocated(place)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class OneProcess(Backend):
    """Plain PyTorch on one processor core or one GPU."""

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
    def logits(self, batch: Batch) -> torch.Tensor:
        return logits(self.model, batch, self.settings.precision)

    @override
    def whole_model(self) -> PreTrainedModel:
        return self.model

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
        model = self.model
        if self.settings.bf16_weights:  # saved as they are, in fp32: whoever loads a checkpoint computes in fp32
            model = copy.deepcopy(model)
            convert(model, torch.float32)
        nats = probe_nats(model, model.config.vocab_size, self.device)
        save(model, tokenizer, folder, nats, merged_weights(model))

    def save_optimizer(self, folder: Path) -> None:
        """Write what the optimizer needs to go on, be it in another run."""
        folder.mkdir(exist_ok=True)
        state = self.optimizer.state_dict()["state"]
        tensors = {f"{index}.{key}": value for index, entry in state.items() for key, value in entry.items()}
        save_file(tensors, folder / OPTIMIZER)

    def load_optimizer(self, folder: Path) -> None:
        """Read what ``save_optimizer`` wrote of a model of the same shape."""
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
        """Each that is trained, once: tied weights share one entry; frozen ones are those of the start."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}
