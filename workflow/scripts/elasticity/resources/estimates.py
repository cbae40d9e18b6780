"""What a job asks the scheduler for: memory of a node in MB, and a time limit in minutes.

Generous, because too little kills a job; and growing with each attempt, because a job that is killed for memory cannot
say so. Nothing here changes a result.
"""

import math

from elasticity.config.hardware import Hardware, peak_tflops
from elasticity.config.sampling import Sampling
from elasticity.config.training import FineTuning, Optimization
from elasticity.models.shapes import Shape
from elasticity.resources.flops import training_flops_per_token
from elasticity.resources.memory import offloaded_parts, states, training_bytes
from elasticity.runtime.launch import Geometry

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


def training_memory_mb(
    shape: Shape,
    length: int,
    geometry: Geometry,
    hardware: Hardware,
    attempt: int = 1,
    adapter_rank: int = 0,
    beside: int = 0,
) -> int:
    """Memory of each node of a training job.

    In place of a GPU a process keeps here all that a GPU would, ``beside`` the model in training included. Otherwise
    each loads the weights before it hands them to its GPU, 4 bytes a parameter (in stage 3 one process of a node does),
    and a state on its way to disk passes through, 12 bytes a parameter divided among all. What is offloaded comes on
    top.
    """
    kept = states(shape, geometry, adapter_rank)
    each = sum(kept[part] for part in offloaded_parts(geometry))
    if hardware.device == "cpu":
        each += training_bytes(shape, length, geometry, adapter_rank=adapter_rank) + beside
    else:
        loaded = 4 * shape.parameters / (geometry.processes_per_node if geometry.zero_stage == 3 else 1)
        each += max(loaded, 12 * shape.parameters / geometry.processes)
    return _memory_mb(each, geometry.processes_per_node, hardware, attempt)


def generation_memory_mb(
    shape: Shape,
    prompt_tokens: int,
    sampling: Sampling,
    hardware: Hardware,
    processes: int,
    attempt: int = 1,
    models: int = 1,
) -> int:
    """Memory of the node of a job that responses, or compares so many models; its processes share the prompts.

    Beside GPUs it holds weights that are being loaded, 4 bytes a parameter; in their place all of ``generation_bytes``.
    """
    weights = _models(sampling, models) * 4 * shape.parameters
    each = weights if hardware.device == "cuda" else generation_bytes(shape, prompt_tokens, sampling, models)
    return _memory_mb(each, processes, hardware, attempt)


def generation_bytes(shape: Shape, prompt_tokens: int, sampling: Sampling, models: int = 1) -> int:
    """What one process keeps that responses, or compares so many models.

    Weights are fp32, 4 bytes a parameter, and so are the keys and values of all tokens of a batch; there are 32 bytes
    for each token of the vocabulary and prompt, for distributions in double precision.
    """
    keys_and_values = 2 * shape.layers * shape.key_value_heads * shape.head_size
    tokens, held = prompt_tokens + sampling.new_tokens, _models(sampling, models)
    batch = sampling.batch_size * (held * 4 * tokens * keys_and_values + 32 * shape.vocabulary)
    return held * 4 * shape.parameters + batch


def _models(sampling: Sampling, models: int) -> int:
    """In memory: a weak model to contrast with counts like the model itself."""
    return models + (1 if sampling.contrast else 0)


def scoring_memory_mb(parameters: int, hardware: Hardware, processes: int, attempt: int = 1) -> int:
    """Memory of the node of a job that scores: each process loads the fp32 weights of the judge."""
    return _memory_mb(4 * parameters, processes, hardware, attempt)


def scoring_s(parameters: int, responses: int, tokens: int, hardware: Hardware) -> float:
    """Seconds that one process takes for so many responses of so many tokens: one fp32 pass over each.

    An fp32 pass reaches a tenth of a GPU's bf16 rate.
    """
    rate = _flops_per_s(hardware) / (1 if hardware.device == "cpu" else 10)
    return 2 * parameters * responses * tokens / rate


def scoring_runtime_min(parameters: int, expected_s: float, attempt: int = 1) -> int:
    """Time limit of a job that scores; weights are read from disk at 2e8 bytes/s."""
    return limit_min(expected_s + 4 * parameters / 2e8, attempt)


def _memory_mb(bytes_of_each: float, processes: int, hardware: Hardware, attempt: int) -> int:
    """Of so many processes, by half more in each attempt, in whole hundreds."""
    megabytes = processes * (PROCESS_MB[hardware.device] + bytes_of_each / 1e6)
    return 100 * math.ceil(megabytes * 1.5 ** (attempt - 1) / 100)


def passes(settings: Optimization) -> tuple[int, int]:
    """For each example: sequences that are trained on, and sequences that are only measured.

    Both follow from what the training algorithm declares: an example of a preference algorithm is a pair of responses,
    a reference model measures each response, and PPO trains on each batch several times.
    """
    if not isinstance(settings, FineTuning):
        return 1, 0
    algorithm = settings.algorithm
    return algorithm.sequences_per_example * algorithm.updates_per_batch, algorithm.measured_sequences


def training_s(
    shape: Shape, settings: Optimization, examples: int, length: int, geometry: Geometry, hardware: Hardware
) -> float:
    """Seconds that training on so many examples, all epochs together, of up to ``length`` tokens is expected to take.

    A forward pass is a third of the work of a training pass.
    """
    trained, measured = passes(settings)
    again = 4 / 3 if geometry.gradient_checkpointing else 1  # a second forward pass
    flops = (again * trained + measured / 3) * training_flops_per_token(shape, length) * examples * length
    return flops / (_flops_per_s(hardware) * geometry.processes)


def rewarding_s(
    shape: Shape,
    settings: Optimization,
    examples: int,
    length: int,
    geometry: Geometry,
    hardware: Hardware,
    score_model: int,
) -> float:
    """Seconds that PPO beside training draws so many responses and has a judge of so many parameters score them."""
    if not settings.draws:
        return 0.0
    sampling = Sampling(new_tokens=settings.draws, batch_size=geometry.micro_batch)
    drawn = generation_s(shape, examples, 1, sampling, hardware, geometry.processes)
    return drawn + scoring_s(score_model, examples, length, hardware) / geometry.processes


def generation_runtime_min(
    shape: Shape,
    prompts: int,
    checkpoints: int,
    sampling: Sampling,
    hardware: Hardware,
    processes: int,
    attempt: int = 1,
) -> int:
    """Time limit of a job that responses so many prompts with each of so many checkpoints."""
    return limit_min(generation_s(shape, prompts, checkpoints, sampling, hardware, processes), attempt)


def generation_s(
    shape: Shape, prompts: int, checkpoints: int, sampling: Sampling, hardware: Hardware, processes: int
) -> float:
    """Seconds that this is expected to take.

    One token of a batch reads all weights (4 bytes each, at 1e12 bytes/s on a GPU and 1e10 on a CPU, half of what an
    A100 and a core do), computes two operations for each weight and prompt (fp32: a tenth of a GPU's bf16 rate), and
    takes 0.05 s of Python. Each checkpoint is read from disk at 2e8 bytes/s.
    """
    batches = math.ceil(prompts / (processes * sampling.batch_size))
    bandwidth, rate = (
        (1e10, _flops_per_s(hardware)) if hardware.device == "cpu" else (1e12, _flops_per_s(hardware) / 10)
    )
    token_s = 4 * shape.parameters / bandwidth + 2 * shape.parameters * sampling.batch_size / rate + 0.05
    return checkpoints * (batches * sampling.new_tokens * token_s + 4 * shape.parameters / 2e8)


def _flops_per_s(hardware: Hardware) -> float:
    """Expected rate of one process in training."""
    if hardware.device == "cpu":
        return CPU_FLOPS_PER_S
    peak = peak_tflops(hardware.gpu) if hardware.gpu else None
    return GPU_SHARE * (peak or UNKNOWN_GPU_TFLOPS) * 1e12


def limit_min(expected_s: float, attempt: int = 1) -> int:
    """The limit for an expected time: a multiple of five minutes, doubled in each attempt."""
    limit: int = 5 * math.ceil((START_MIN + MARGIN * expected_s / 60) / 5) * 2 ** (attempt - 1)
    return limit
