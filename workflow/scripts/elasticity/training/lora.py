"""Low-rank adapters (Hu et al. 2021) through peft: W stays as it is, and W + alpha/rank · B A is what a checkpoint holds."""

from typing import TYPE_CHECKING

from transformers import PreTrainedModel

from elasticity.config.training import Lora
from elasticity.core.errors import UserError
from elasticity.runtime.launch import Launch

if TYPE_CHECKING:
    from peft.tuners.lora import Linear
import torch

NAME = "default"
"""peft's name of the only adapter."""


def adapted(model: PreTrainedModel, lora: Lora | None, seed: int) -> PreTrainedModel:
    """The same model, ready to train: as it is without ``lora``, else frozen, with fp32 adapters.

    Every linear layer gets an adapter but the output layer, as in Dettmers et al. 2023. B begins at zero, so the model
    begins as it was. A (rank, inputs) is drawn on the processor from the seed alone; no other random number changes.
    Gradient checkpointing needs no gradient of its input, because it is not the reentrant kind.

    Raises ``UserError`` under ZeRO stage 3, where no process has a whole matrix to merge with.
    """
    if lora is None:
        return model
    if Launch.of_job().zero_stage == 3:
        raise UserError(
            "lora merges its adapters with whole matrices, but zero_stage 3 leaves each process a part of them: in the "
            "study's hardware set zero_stage 0, 1 or 2"
        )
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds to import

    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules="all-linear")  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, NAME)
    return model


def merged_weights(model: PreTrainedModel) -> dict[str, torch.Tensor] | None:
    """The weights of an ordinary model that computes what an adapted one does; None if the model has no adapters.

    The live weights stay: adding and subtracting again would leave them changed by rounding, and a checkpoint would differ
    from an independent run. What is merged lies in the memory of the node, because a GPU may have no room for it beside
    the live ones. Weights without an adapter are not copied.
    """
    if all(parameter.requires_grad for parameter in model.parameters()):
        return None
    layers = _adapted_layers(model)
    weights = {}
    for name, weight in model.state_dict().items():
        layer, _, rest = name.rpartition(".base_layer.")
        if layer in layers:
            weights[f"{layer}.{rest}"] = (weight + _update(layers[layer])).cpu() if rest == "weight" else weight
        elif not any(name.startswith(f"{other}.lora_") for other in layers):
            weights[name] = weight
    return weights


def _adapted_layers(model: PreTrainedModel) -> "dict[str, Linear]":
    from peft.tuners.lora import Linear

    return {name: module for name, module in model.named_modules() if isinstance(module, Linear)}


def _update(layer: "Linear") -> torch.Tensor:
    """alpha/rank · B A, of the shape of the layer's weight."""
    with torch.no_grad():
        update: torch.Tensor = layer.get_delta_weight(NAME)
    return update
