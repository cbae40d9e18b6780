"""Making, loading and saving models as folders in the hub's layout: config.json, safetensors, tokenizer.json.

Each saved model has a probe: −log p of a known token sequence. Loading a model for measuring computes it again and
compares, so that weights that were replaced or damaged are noticed.
"""

import contextlib
import ctypes
import gc
import json
import os
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging

from elasticity.config.models import Pretrained
from elasticity.core.errors import UserError
from elasticity.models.folders import check_present
from elasticity.models.precision import use_fp32_attention_on_cpus
from elasticity.runtime.launch import Launch

LENGTH = 16
"""Tokens of the sequence of the probe."""


PROBE = "probe.json"
"""Name of the file with the probe, beside the weights."""


SHOWN = 4
"""Tensors that a message names at most."""


BUFFERS = re.compile(r"(rotary_emb\.inv_freq|att(n|ention)\.(masked_)?bias|position_ids)$")
"""Names of tensors that older checkpoints hold beside the weights, and that a model computes itself."""


RANDOM = re.compile(r"^p$|drop|jitter")
"""Names of settings of a layer that make its passes random. ``checks.check_model`` finds what has another name."""


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of ``mallopt`` (malloc.h): free bytes at the end of the heap, and bytes of one block, from which on memory
goes back to the system."""


TOLERANCE_NATS = 1e-3
"""Largest accepted difference of two probes of the same weights.

In fp32, two kinds of devices differ by about 1e-4 over the whole sequence; one update at a learning rate of 1e-5
changes the probe by more than the tolerance.
"""


def tokens_of(vocabulary: int) -> list[int]:
    """The sequence of the probe: token ids spread evenly over the vocabulary."""
    return [vocabulary * number // LENGTH for number in range(LENGTH)]


def probe_nats(model: Callable[..., object], vocabulary: int, place: torch.device) -> float:
    """−log p of the sequence of the probe in nats, computed in fp32.

    ``model`` maps ``input_ids`` of shape (1, tokens) to an output with ``logits`` of shape (1, tokens, vocabulary).
    """
    tokens = torch.tensor([tokens_of(vocabulary)], device=place)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=tokens, use_cache=False).logits  # type: ignore[attr-defined]
    return functional.cross_entropy(logits[0, :-1].double(), tokens[0, 1:], reduction="sum").item()


def write_probe(folder: Path, nats: float) -> None:
    """Save the probe of a model beside its weights."""
    (folder / PROBE).write_text(json.dumps({"nats": nats}) + "\n")


def check_probe(folder: Path, nats: float) -> None:
    """Compare the probe of a model in memory with the one that was saved in its folder, if there is one.

    Raises ``UserError`` if they differ by more than ``TOLERANCE_NATS``.
    """
    if not (folder / PROBE).exists():
        return
    saved = json.loads((folder / PROBE).read_text())["nats"]
    if not abs(nats - saved) <= TOLERANCE_NATS:
        raise UserError(
            f"the weights in memory are not those that were saved in {folder}: −log p of a known sequence is "
            f"{nats:.4f} nats instead of {saved:.4f}. Files of the folder may have been replaced or damaged. Delete it "
            "and run the same command again."
        )


logging.disable_progress_bar()


def one_thread() -> None:
    """Set torch to one thread and to deterministic algorithms.

    Two processes with one thread each are faster than one process with two, and sums do not depend on the number of
    cores. On a GPU some operations (such as cumulative sums) have no deterministic implementation: there torch warns
    instead of raising an error.
    """
    _keep_freed_memory()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=Launch.of_job().device == "cuda")
    # Filling memory only finds faulty operators, and takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _keep_freed_memory() -> None:
    """Let glibc keep memory that was freed. By default it returns each large tensor to the system, which then has to
    clear the pages of the next one: a tenth of the time of an update of a small model."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def device() -> torch.device:
    """The device of this process: the CPU, or its GPU.

    Raises ``UserError`` if the job was launched for a GPU and torch finds none.
    """
    if Launch.of_job().device == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            "this job was launched for a GPU, but torch finds none: check that a CUDA build of torch is installed and "
            "that the job got a GPU (nvidia-smi). Without GPUs, leave hardware.gpus_per_node at 0."
        )
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def new_model(shape: Pretrained, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """Make a Llama with random fp32 weights and tied embeddings."""
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
    """Load a causal language model with fp32 weights from safetensors; no code in the folder is run.

    The model is on the CPU, or, with ``spread``, its layers are distributed over all GPUs of this process.

    Raises ``UserError`` if the folder holds no model, or if the model cannot be loaded whole.
    """
    return load_whole(AutoModelForCausalLM, folder, "model", device_map="auto" if spread else None)


def load_whole(kind: Any, folder: Path, what: str, surplus: bool = False, **options: Any) -> PreTrainedModel:
    """Load a model of a transformers class from safetensors, as ``from_files`` does.

    Raises ``UserError`` also if the folder is gone, if its index names files elsewhere, and if it holds no model.
    """
    check_present(folder)
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} is not a model folder: it holds no config.json")
    return from_files(kind, folder, f"{what} in {folder}", surplus, use_safetensors=True, **options)


def from_files(kind: Any, folder: Path, what: str, surplus: bool, **options: Any) -> PreTrainedModel:
    """Load a model of a transformers class; every tensor of the class must be in the files, in its shape.

    transformers fills what is missing with random numbers. ``what`` names the model in messages, ``options`` are those
    of ``from_pretrained``. The files may hold tensors that the class does not have if ``surplus`` says so. Weights
    become fp32, and no code of the folder is run.

    Raises ``UserError`` with the tensors that are missing, left over or of another shape.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # what the loading report says becomes a message
    try:
        model, report = kind.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **options,
        )
    except Exception as error:  # transformers and safetensors raise errors of many kinds for damaged folders
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"the {what} cannot be loaded: {first} ({type(error).__name__}). Fetch or convert it again, or use another"
        ) from None
    finally:
        logging.set_verbosity(verbosity)
    faults = [
        f"{len(names)} tensors {words}: {', '.join(names[:SHOWN])}{', ...' * (len(names) > SHOWN)}"
        for words, names in _faults(report, surplus)
        if names
    ]
    if faults:
        raise UserError(
            f"the files of the {what} are not those of one whole model of the kind that its configuration names "
            f"({type(model).__name__}): {'; '.join(faults)}. Fetch the files again, or convert them with the tool that "
            "wrote them."
        )
    return cast(PreTrainedModel, model)


def _faults(report: Mapping[str, Any], surplus: bool) -> list[tuple[str, list[str]]]:
    """What transformers' report on loading says that a whole model would not have, in words."""
    mismatched = [
        f"{name} {tuple(found)} instead of {tuple(wanted)}" for name, found, wanted in report["mismatched_keys"]
    ]
    return [
        ("are missing", sorted(report["missing_keys"])),
        ("have no place", [] if surplus else sorted(it for it in report["unexpected_keys"] if not BUFFERS.search(it))),
        ("have another shape", sorted(mismatched)),
    ]


def load_for_measuring(folder: Path) -> PreTrainedModel:
    """Load a model in evaluation mode onto this process's device, or distributed over its GPUs.

    Raises ``UserError`` if its weights are not those that were saved (see ``check_probe``), or if they do not fit into
    the GPUs.
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
    """Load a model with each layer on one of the GPUs of this process; hidden states move from GPU to GPU.

    Tested on CPUs only.
    """
    gc.collect()  # hooks of a distributed model refer to it, so only the collector frees the memory of an earlier one
    torch.cuda.empty_cache()
    model = load_model(folder, spread=True)
    if any(weight.device.type != place.type for weight in model.parameters()):  # accelerate moved layers to the CPU
        raise UserError(
            f"the model in {folder} does not fit into the {torch.cuda.device_count()} GPUs that this job sees. The "
            "number of GPUs is planned from sampling.batch_size and hardware.gpu_memory_gb: lower one of them, or use "
            "GPUs with more memory"
        )
    return model


def save(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    nats: float,
    weights: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write a model folder: weights, configuration, tokenizer and probe.

    ``nats`` is the probe (see ``probe_nats``); ``weights`` are saved in place of those that the model itself holds.
    """
    model.save_pretrained(folder, state_dict=weights)
    tokenizer.save_pretrained(folder)
    write_probe(folder, nats)


def prepare_for_training(model: PreTrainedModel, launch: Launch) -> PreTrainedModel:
    """Prepare a model for training: training mode, no dropout, and gradient checkpointing if the launch asks for it.

    A checkpoint must equal an independent run, and a resumed run an uninterrupted one: without dropout, training uses
    no random numbers. Training mode is needed because transformers recomputes activations only in it. Attention stays
    that of torch, which is fused: the package flash-attn has no fp32, in which probes are computed and PPO samples.
    """
    use_fp32_attention_on_cpus()
    for part in (model.config, *model.modules()):
        for name, value in vars(part).items():
            if isinstance(value, float) and RANDOM.search(name):
                setattr(part, name, 0.0)
    if launch.gradient_checkpointing:
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        torch.set_autocast_cache_enabled(False)  # otherwise bf16 copies of all weights are kept until the backward pass
    model.train()
    return model


def hardware(place: torch.device) -> dict[str, Any]:
    """The device, threads and version of torch, for the metrics of a job."""
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else platform.machine()
    return {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__}
