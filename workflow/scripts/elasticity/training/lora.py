"""Low-rank adapters (Hu et al. 2021) with peft: W is frozen, and checkpoints hold W + alpha/rank · B A."""

import copy
from typing import TYPE_CHECKING

from transformers import PreTrainedModel

from elasticity.config.training import Lora
from elasticity.core.errors import UserError
from elasticity.runtime.launch import Launch

if TYPE_CHECKING:
    from peft.tuners.lora import Linear
import torch

NAME = "default"
"""Name of the only adapter in peft."""


def adapted(model: PreTrainedModel, lora: Lora | None, seed: int) -> PreTrainedModel:
    """Return the model ready to train: unchanged without ``lora``, otherwise frozen and with fp32 adapters.

    Every linear layer except the output layer gets an adapter, as in Dettmers et al. 2023. B is initialised with zeros,
    so the function of the model does not change. A, of shape (rank, inputs), is drawn on the CPU from the seed alone;
    no other random number changes. Non-reentrant gradient checkpointing needs no gradient of the inputs.

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
    """Return the weights of a model without adapters that computes the same; None if the model has no adapters.

    The weights in training are not touched: adding and subtracting the adapters would change them by rounding, and a
    checkpoint would differ from an independent run. Merged weights are in host memory, because a GPU may not have room
    for both. Weights without an adapter are not copied.
    """
    if not _is_adapted(model):
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


def without_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """Return a model whose adapters are merged as in its checkpoints: a copy, or the model itself without adapters."""
    weights = merged_weights(model)
    if weights is None:
        return model
    plain = copy.deepcopy(model)
    for name, layer in _adapted_layers(plain).items():
        plain.set_submodule(name, layer.get_base_layer())
    plain.load_state_dict(weights)
    return plain


def _is_adapted(model: PreTrainedModel) -> bool:
    """Return whether only adapters are trained."""
    return not all(parameter.requires_grad for parameter in model.parameters())


def _adapted_layers(model: PreTrainedModel) -> "dict[str, Linear]":
    from peft.tuners.lora import Linear

    return {name: module for name, module in model.named_modules() if isinstance(module, Linear)}


def _update(layer: "Linear") -> torch.Tensor:
    """Return alpha/rank · B A, which has the shape of the layer's weight."""
    with torch.no_grad():
        update: torch.Tensor = layer.get_delta_weight(NAME)
    return update
