"""The precision in which models are trained: bf16 where a device has it, by autocast, with fp32 weights."""

from typing import Any, Literal

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from elasticity.config.training import Precision


def autocast(precision: Precision, place: torch.device) -> torch.autocast:
    """Autocast context for forward passes. Weights stay fp32: small updates would be rounded away in bf16."""
    return torch.autocast(place.type, dtype=torch.bfloat16, enabled=resolved(precision, place) == "bf16")


def resolved(precision: Precision, place: torch.device) -> Literal["bf16", "fp32"]:
    """The precision of passes: ``auto`` is bf16 on devices with native support; on others bf16 is slower than fp32."""
    if precision != "auto":
        return precision
    native = torch.cuda.is_bf16_supported() if place.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return "bf16" if native else "fp32"


def use_fp32_attention_on_cpus() -> None:
    """Let the attention of all models of this process be computed in fp32 on CPUs, also under autocast.

    The backward pass of torch's fused attention makes many small matrix products, and on a CPU those in bf16 take
    longer to prepare than to compute: with 8 sequences of 48 tokens and 4 heads, 6.5 ms in bf16 and 1.1 ms in fp32.
    """
    AttentionInterface.register("sdpa", _attention)


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Fused attention as in transformers, in fp32 if it is computed on a CPU. See ``sdpa_attention_forward``."""
    if query.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if attention_mask is not None and attention_mask.is_floating_point():
        attention_mask = attention_mask.float()
    with torch.autocast("cpu", enabled=False):
        output, _ = sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **options)
    return output.to(value.dtype), None
