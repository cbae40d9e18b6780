"""What a job asks the scheduler for: memory of a node in MB, and a time limit in minutes.

Generous, because too little kills a job; and growing with each attempt, because a job that is killed for memory cannot
say so. Nothing here changes a result.
"""

import math

from elasticity.flops import training_flops_per_token
from elasticity.geometry import Geometry
from elasticity.hardware import Hardware, peak_tflops
from elasticity.memory import offloaded_parts, states, training_bytes
from elasticity.settings import Sampling
from elasticity.shapes import Shape

PROCESS_MB = {"cpu": 1_500, "cuda": 4_000}
"""A process before it holds a model: Python, torch, the examples; with CUDA its context and pinned buffers."""

CPU_FLOPS_PER_S = 2e10
"""Of one process, a cautious rate: 5e10 to 2.4e11 were measured in training with one thread."""

UNKNOWN_GPU_TFLOPS = 100.0
"""Peak of a GPU that the study does not name."""

GPU_SHARE = 0.3
"""Of its peak that a GPU makes in training."""

START_MIN = 15
"""Minutes that a job may take to start and to load."""

MARGIN = 3
"""Times the expected time."""


def training_memory_mb(shape: Shape, length: int, geometry: Geometry, hardware: Hardware, attempt: int = 1) -> int:
    """Memory of each node of a training job.

    In place of a GPU a process keeps here all that a GPU would. Otherwise each loads the weights before it hands them
    to its GPU, 4 bytes a parameter (in stage 3 one process of a node does), and a state on its way to disk passes
    through, 12 bytes a parameter divided among all. What is offloaded comes on top.
    """
    kept = states(shape, geometry)
    each = sum(kept[part] for part in offloaded_parts(geometry))
    if hardware.device == "cpu":
        each += training_bytes(shape, length, geometry)
    else:
        loaded = 4 * shape.parameters / (geometry.processes_per_node if geometry.zero_stage == 3 else 1)
        each += max(loaded, 12 * shape.parameters / geometry.processes)
    return _memory_mb(each, geometry.processes_per_node, hardware, attempt)


def answering_memory_mb(
    shape: Shape, prompt_tokens: int, sampling: Sampling, hardware: Hardware, processes: int, attempt: int = 1
) -> int:
    """Memory of the node of a job that answers, whose processes share the prompts.

    Weights are fp32, 4 bytes a parameter. Without GPUs so are the keys and values of all tokens, and there are 32 bytes
    for each token of the vocabulary and prompt of a batch, for distributions in double precision.
    """
    each = 4 * shape.parameters
    if hardware.device == "cpu":
        keys_and_values = 2 * shape.layers * shape.key_value_heads * shape.head_size
        tokens = prompt_tokens + sampling.new_tokens
        each += sampling.batch_size * (4 * tokens * keys_and_values + 32 * shape.vocabulary)
    return _memory_mb(each, processes, hardware, attempt)


def _memory_mb(bytes_of_each: float, processes: int, hardware: Hardware, attempt: int) -> int:
    """Of so many processes, by half more in each attempt, in whole hundreds."""
    megabytes = processes * (PROCESS_MB[hardware.device] + bytes_of_each / 1e6)
    return 100 * math.ceil(megabytes * 1.5 ** (attempt - 1) / 100)


def training_runtime_min(
    shape: Shape, examples: int, length: int, geometry: Geometry, hardware: Hardware, attempt: int = 1
) -> int:
    """Time limit of a job that trains on so many examples, all epochs together, of up to ``length`` tokens."""
    again = 4 / 3 if geometry.gradient_checkpointing else 1  # a second forward pass
    flops = again * training_flops_per_token(shape, length) * examples * length
    return _limit_min(flops / (_flops_per_s(hardware) * geometry.processes), attempt)


def answering_runtime_min(
    shape: Shape, prompts: int, rungs: int, sampling: Sampling, hardware: Hardware, processes: int, attempt: int = 1
) -> int:
    """Time limit of a job that answers so many prompts with each of so many rungs.

    One token of a batch reads all weights (4 bytes each, at 1e12 bytes/s on a GPU and 1e10 on a CPU, half of what an
    A100 and a core do), computes two operations for each weight and prompt (fp32: a tenth of a GPU's bf16 rate), and
    takes 0.05 s of Python. Each rung is read from disk at 2e8 bytes/s.
    """
    batches = math.ceil(prompts / (processes * sampling.batch_size))
    bandwidth, rate = (
        (1e10, _flops_per_s(hardware)) if hardware.device == "cpu" else (1e12, _flops_per_s(hardware) / 10)
    )
    token_s = 4 * shape.parameters / bandwidth + 2 * shape.parameters * sampling.batch_size / rate + 0.05
    return _limit_min(rungs * (batches * sampling.new_tokens * token_s + 4 * shape.parameters / 2e8), attempt)


def _flops_per_s(hardware: Hardware) -> float:
    """Expected rate of one process in training."""
    if hardware.device == "cpu":
        return CPU_FLOPS_PER_S
    peak = peak_tflops(hardware.gpu) if hardware.gpu else None
    return GPU_SHARE * (peak or UNKNOWN_GPU_TFLOPS) * 1e12


def _limit_min(expected_s: float, attempt: int) -> int:
    """The limit for an expected time: a multiple of five minutes, doubled in each attempt."""
    limit: int = 5 * math.ceil((START_MIN + MARGIN * expected_s / 60) / 5) * 2 ** (attempt - 1)
    return limit
