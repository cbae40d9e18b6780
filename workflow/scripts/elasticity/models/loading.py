"""Models as ordinary folders in the hub's layout: config.json, safetensors, tokenizer.json."""

import gc
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch.nn import functional
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

from elasticity.config.models import Pretrained
from elasticity.config.training import Precision
from elasticity.core.errors import UserError
from elasticity.runtime.launch import Launch

LENGTH = 16


FILE = "probe.json"


TOLERANCE_NATS = 1e-3
"""fp32 on two kinds of devices differs by about 1e-4 over the whole sequence; one update at 1e-5 changes more."""


def tokens_of(vocabulary: int) -> list[int]:
    """Tokens spread over the vocabulary."""
    return [vocabulary * number // LENGTH for number in range(LENGTH)]


def probe_nats(model: Callable[..., object], vocabulary: int, place: torch.device) -> float:
    """−log p of the sequence in fp32. ``model`` maps ``input_ids`` of shape (1, tokens) to an output with logits."""
    tokens = torch.tensor([tokens_of(vocabulary)], device=place)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=tokens, use_cache=False).logits  # type: ignore[attr-defined]
    return functional.cross_entropy(logits[0, :-1].double(), tokens[0, 1:], reduction="sum").item()


def write_probe(folder: Path, nats: float) -> None:
    """Beside the weights."""
    (folder / FILE).write_text(json.dumps({"nats": nats}) + "\n")


def check_probe(folder: Path, nats: float) -> None:
    """Compare with what was saved, if anything was.

    Raises ``UserError`` if the model in memory is not the one that was saved in the folder.
    """
    if not (folder / FILE).exists():
        return
    saved = json.loads((folder / FILE).read_text())["nats"]
    if not abs(nats - saved) <= TOLERANCE_NATS:
        raise UserError(
            f"the weights in memory are not those that were saved in {folder}: −log p of a known sequence is "
            f"{nats:.4f} nats instead of {saved:.4f}. Were files of the folder replaced? Delete it and run again."
        )


logging.disable_progress_bar()


def one_thread() -> None:
    """Two processes of one thread each beat one process of two; and sums do not depend on the number of cores.

    On a GPU some operations have no deterministic form (cumulative sums): there torch warns instead of failing.
    """
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=Launch.of_job().device == "cuda")


def device() -> torch.device:
    """The processor, or this process's GPU.

    Raises ``UserError`` if the job was launched for a GPU and torch sees none.
    """
    if Launch.of_job().device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            "this job was launched for a GPU, but torch finds none: is a CUDA build of torch installed, and did the "
            "job get a GPU (nvidia-smi)? Without GPUs, leave hardware.gpus_per_node at 0."
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def new_model(shape: Pretrained, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """A Llama with random weights and tied embeddings."""
    torch.manual_seed(shape.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return model


def load_model(folder: Path, spread: bool = False) -> PreTrainedModel:
    """Load a causal language model with fp32 weights; safetensors only, no code from the folder.

    It is on the processor, or layer by layer ``spread`` over all GPUs of this process.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a model folder: it holds no config.json")
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            device_map="auto" if spread else None,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"the model in {folder} cannot be loaded: {error}") from None
    return model


def load_for_measuring(folder: Path) -> PreTrainedModel:
    """Load a model onto this process's device, or spread over its GPUs, ready to response and to measure.

    Raises ``UserError`` if its weights are not those that were saved: see ``probe``; or if they do not fit.
    """
    place = device()
    if Launch.of_job().gpus_per_process > 1:
        model = _load_spread(folder, place)
    else:
        model = load_model(folder)
        torch.nn.Module.to(model, place)
    model.eval()
    check_probe(folder, probe_nats(model, model.config.vocab_size, model.device))
    return model


def _load_spread(folder: Path, place: torch.device) -> PreTrainedModel:
    """Each layer lies on one GPU, and hidden states go from GPU to GPU. Tried on processors only, not on GPUs."""
    gc.collect()  # the hooks of a spread model that was let go refer to it: it would keep its room
    torch.cuda.empty_cache()
    model = load_model(folder, spread=True)
    if any(weight.device.type != place.type for weight in model.parameters()):  # the rest goes there without a word
        raise UserError(
            f"the model in {folder} does not fit into the GPUs of this job ({torch.cuda.device_count()} are seen): "
            "lower sampling.batch_size or hardware.gpu_memory_gb, which plan how many it gets, or take larger GPUs"
        )
    return model


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    nats: float,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write a complete model folder, with the model's ``probe``; ``weights`` if the model does not hold them itself."""
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
    write_probe(folder, nats)


def prepare_for_training(model: PreTrainedModel, launch: Launch) -> PreTrainedModel:
    """Set up the passes: no dropout, recomputed activations if asked for. Attention stays torch's own, which is fused.

    The flash-attn package takes no fp32, in which probes are measured and PPO draws.
    A checkpoint must equal an independent run, and a resumed run an undisturbed one: without dropout no random numbers are
    drawn. The model is in training mode because transformers recomputes activations only there.
    """
    for module in model.modules():
        for name in ("p", "dropout", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    if launch.gradient_checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        torch.set_autocast_cache_enabled(False)  # or bf16 copies of all weights stay until the backward pass
    model.train()
    return model


def autocast(precision: Precision, place: torch.device) -> torch.autocast:
    """Context of forward passes. Weights stay fp32: at small learning rates bf16 weights would hardly move."""
    return torch.autocast(place.type, dtype=torch.bfloat16, enabled=resolved(precision, place) == "bf16")


def resolved(precision: Precision, place: torch.device) -> Literal["bf16", "fp32"]:
    """``auto`` is bf16 where the device multiplies it natively: elsewhere it is far slower than fp32."""
    if precision != "auto":
        return precision
    native = torch.cuda.is_bf16_supported() if place.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return "bf16" if native else "fp32"


def hardware(place: torch.device) -> dict[str, Any]:
    """What ran: for the metrics of a job."""
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else platform.machine()
    return {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__}
