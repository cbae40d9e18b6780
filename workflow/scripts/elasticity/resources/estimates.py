"""Estimates of what a job requests from the scheduler: memory of a node in MB, and a time limit in minutes.

The estimates are generous, because a job with too little is killed. They grow with each attempt, because a job that is
killed for lack of memory cannot report it. Nothing here changes a result.
"""

import math

from elasticity.config.hardware import Hardware, peak_tflops
from elasticity.config.sampling import Sampling
from elasticity.config.training import FineTuning, Optimization, Precision
from elasticity.models.shapes import Shape
from elasticity.resources.flops import training_flops_per_token
from elasticity.resources.memory import offloaded_parts, states, trained_parameters, training_bytes
from elasticity.runtime.launch import Geometry

PROCESS_MB = {"cpu": 1_500, "cuda": 4_000}
"""Memory of a process without a model: Python, torch, examples; with CUDA also its context and pinned buffers."""


CPU_FLOPS_PER_S = 2e10
"""Rate of one process on a CPU, a cautious value: 5e10 to 2.4e11 were measured in training with one thread."""


UNKNOWN_GPU_TFLOPS = 100.0
"""Peak rate that is assumed for a GPU that the study does not name."""


GPU_SHARE = 0.3
"""Share of its peak rate that a GPU is expected to reach in training."""


START_MIN = 15
"""Minutes that a job may take to start and to load its model."""


MARGIN = 3
"""Factor between the expected time and the time limit, without the start."""


STATE_BYTES = 12
"""Bytes of a training state for each trained parameter: its fp32 value and the two moments of Adam."""


SAVING_SHARE = 0.05
"""Largest share of its time that a run spends on saving its state."""


SHORTEST_PAUSE_S = 60
"""Seconds from one saved state of a run to the next if saving takes no time."""


def pause_s(shape: Shape, adapter_rank: int, processes: int) -> float:
    """Seconds from one saved state of a run to the next if each process writes its part of the state at 5e8 bytes/s.

    A run that ends before that saves none, unless a signal stops it.
    """
    saving_s = STATE_BYTES * trained_parameters(shape, adapter_rank) / processes / 5e8
    return max(SHORTEST_PAUSE_S, saving_s / SAVING_SHARE)


def training_memory_mb(
    shape: Shape,
    length: int,
    geometry: Geometry,
    hardware: Hardware,
    attempt: int = 1,
    adapter_rank: int = 0,
    beside: int = 0,
) -> int:
    """Memory of each node of a training job, in MB.

    Without a GPU, a process holds in the node's memory what a GPU would hold: ``training_bytes``, and ``beside`` bytes
    of other models. With GPUs, each process (in stage 3 one process per node) loads the weights before it moves them to
    its GPU, 4 bytes per parameter, and the states pass through when they are saved, 12 bytes per parameter divided
    among all processes. Offloaded states are added in both cases.
    """
    kept = states(shape, geometry, adapter_rank)
    each = sum(kept[part] for part in offloaded_parts(geometry))
    if hardware.device == "cpu":
        # Of either precision: auto depends on the processor, and attention is fp32 on a CPU even in passes in bf16.
        passes: tuple[Precision, ...] = ("bf16", "fp32")
        each += max(training_bytes(shape, length, geometry, it, adapter_rank) for it in passes) + beside
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
    """Memory of the node of a job that generates responses, or compares ``models`` models, in MB.

    With GPUs, each of the processes needs 4 bytes per parameter while it loads weights; without GPUs, it needs all of
    ``generation_bytes``.
    """
    weights = _models(sampling, models) * 4 * shape.parameters
    each = weights if hardware.device == "cuda" else generation_bytes(shape, prompt_tokens, sampling, models)
    return _memory_mb(each, processes, hardware, attempt)


def generation_bytes(shape: Shape, prompt_tokens: int, sampling: Sampling, models: int = 1) -> int:
    """Memory of one process that generates responses, or compares ``models`` models, in bytes.

    Weights take 4 bytes per parameter (fp32). The KV cache of a batch takes 4 bytes for each key and value of each
    token. Next-token distributions in double precision take 32 bytes for each prompt and token of the vocabulary.
    """
    keys_and_values = 2 * shape.layers * shape.key_value_heads * shape.head_size
    tokens, held = prompt_tokens + sampling.new_tokens, _models(sampling, models)
    batch = sampling.batch_size * (held * 4 * tokens * keys_and_values + 32 * shape.vocabulary)
    return held * 4 * shape.parameters + batch


def _models(sampling: Sampling, models: int) -> int:
    """Number of models in memory: the weak model of contrastive decoding counts as one more."""
    return models + (1 if sampling.contrast else 0)


def scoring_memory_mb(parameters: int, hardware: Hardware, processes: int, attempt: int = 1) -> int:
    """Memory of the node of a scoring job, in MB: each process loads the fp32 weights of the score model."""
    return _memory_mb(4 * parameters, processes, hardware, attempt)


def scoring_s(parameters: int, responses: int, tokens: int, hardware: Hardware) -> float:
    """Expected seconds in which one process scores ``responses`` responses of ``tokens`` tokens each.

    Scoring is one fp32 pass over each response. On a GPU such a pass reaches a tenth of the bf16 rate.
    """
    rate = _flops_per_s(hardware) / (1 if hardware.device == "cpu" else 10)
    return 2 * parameters * responses * tokens / rate


def scoring_runtime_min(parameters: int, expected_s: float, attempt: int = 1) -> int:
    """Time limit of a scoring job, in minutes; weights are read from disk at 2e8 bytes/s."""
    return limit_min(expected_s + 4 * parameters / 2e8, attempt)


def _memory_mb(bytes_of_each: float, processes: int, hardware: Hardware, attempt: int) -> int:
    """Memory of all processes in MB: half as much again in each attempt, rounded up to a multiple of 100."""
    megabytes = processes * (PROCESS_MB[hardware.device] + bytes_of_each / 1e6)
    return 100 * math.ceil(megabytes * 1.5 ** (attempt - 1) / 100)


def passes(settings: Optimization) -> tuple[int, int]:
    """Passes per example: over sequences with backward pass (trained), and with forward pass only (measured).

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
    """Expected seconds of training on ``examples`` examples (of all epochs together) of up to ``length`` tokens.

    A forward pass is a third of the work of a training pass.
    """
    trained, measured = passes(settings)
    again = 4 / 3 if geometry.gradient_checkpointing else 1  # activations are recomputed by a second forward pass
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
    """Expected seconds in which PPO samples ``examples`` responses and scores them, in addition to training.

    ``score_model`` is the number of parameters of the score model. It is 0 for algorithms that sample no responses.
    """
    if not settings.draws:
        return 0.0
    sampling = Sampling(new_tokens=settings.draws, batch_size=geometry.micro_batch)
    drawn = generation_s(shape, examples, 1, sampling, hardware, geometry.processes)
    return drawn + scoring_s(score_model, examples, length, hardware) / geometry.processes


def generation_s(
    shape: Shape, prompts: int, checkpoints: int, sampling: Sampling, hardware: Hardware, processes: int
) -> float:
    """Expected seconds in which responses to all prompts are generated with each of the checkpoints.

    For each token of a batch, all weights are read (4 bytes each, at 1e12 bytes/s on a GPU and 1e10 bytes/s on a CPU,
    half of what an A100 and a CPU core reach), two operations are computed for each weight and prompt (in fp32, at a
    tenth of a GPU's bf16 rate), and Python takes 0.05 s. Each checkpoint is read from disk at 2e8 bytes/s.
    """
    batches = math.ceil(prompts / (processes * sampling.batch_size))
    bandwidth, rate = (
        (1e10, _flops_per_s(hardware)) if hardware.device == "cpu" else (1e12, _flops_per_s(hardware) / 10)
    )
    token_s = 4 * shape.parameters / bandwidth + 2 * shape.parameters * sampling.batch_size / rate + 0.05
    return checkpoints * (batches * sampling.new_tokens * token_s + 4 * shape.parameters / 2e8)


def _flops_per_s(hardware: Hardware) -> float:
    """Expected rate of one process in training, in FLOP/s."""
    if hardware.device == "cpu":
        return CPU_FLOPS_PER_S
    peak = peak_tflops(hardware.gpu) if hardware.gpu else None
    return GPU_SHARE * (peak or UNKNOWN_GPU_TFLOPS) * 1e12


def limit_min(expected_s: float, attempt: int = 1) -> int:
    """The time limit for an expected time, in minutes: a multiple of 5, doubled in each attempt."""
    limit: int = 5 * math.ceil((START_MIN + MARGIN * expected_s / 60) / 5) * 2 ** (attempt - 1)
    return limit
