"""The smallest geometry that a training job fits into, and the number of GPUs that generation needs."""

from collections.abc import Iterator
from functools import cache

from elasticity.config.hardware import Hardware
from elasticity.config.training import Optimization
from elasticity.core.errors import UserError
from elasticity.models.shapes import Shape
from elasticity.resources.memory import beside_bytes, offloaded_parts, states, training_bytes
from elasticity.runtime.launch import Geometry

USABLE = 0.9
"""Share of a GPU's memory that is planned; the rest is left for the CUDA context, libraries and fragmentation."""


MOST_NODES = 64
"""Largest number of nodes that is tried."""


@cache  # Snakemake asks for each resource of each job
def training_geometry(
    model: str, shape: Shape, settings: Optimization, length: int, hardware: Hardware, score_model: int = 0
) -> Geometry:
    """The geometry of a job that trains a model on sequences of up to ``length`` tokens.

    ``score_model`` is the number of parameters of the score model that gives the rewards, if there is one.
    ``micro_batch`` of the geometry counts sequences.

    Without GPUs, the job is one process that takes a batch in one pass. With GPUs, it is the first geometry that fits,
    in this order of preference: the fewest GPUs (powers of two, then whole nodes), the lowest ZeRO stage, no gradient
    checkpointing, the largest micro-batch. Settings that the study fixes are not varied.

    Raises ``UserError`` if no geometry fits, or if the study fixes one that the algorithm does not allow.
    """
    if hardware.gpus_per_node == 0:
        micro_batch = _micro_batches(settings, hardware, 1)[0]
        return Geometry(1, 1, None, micro_batch, hardware.gradient_checkpointing is True, "none")
    usable = USABLE * hardware.gpu_memory_gb * 1e9

    def needed(geometry: Geometry) -> int:
        trained = training_bytes(shape, length, geometry, settings.precision, settings.adapter_rank)
        return trained + beside_bytes(shape, settings.draws, score_model)

    candidates = list(_candidates(settings, hardware))
    for geometry in candidates:
        if needed(geometry) <= usable:
            return geometry
    smallest = min(candidates, key=needed)
    raise UserError(_too_large(model, shape, usable, needed(smallest), smallest, settings))


@cache
def measuring_geometry(
    model: str,
    shape: Shape,
    settings: Optimization,
    length: int,
    hardware: Hardware,
    score_model: int = 0,
    measuring: int = 0,
) -> Geometry | None:
    """The geometry of a training job that also measures its model, or None if there is none.

    Each process keeps all weights, and has room for ``measuring`` more bytes beside the states that it keeps between
    updates. More GPUs than training alone needs are taken if that makes the room, up to those of a node, or the number
    that the study fixes; otherwise as in ``training_geometry``.
    """
    if hardware.gpus_per_node == 0:
        return training_geometry(model, shape, settings, length, hardware, score_model)
    if hardware.zero_stage == 3 or hardware.offload == "weights":
        return None
    usable = USABLE * hardware.gpu_memory_gb * 1e9
    beside = beside_bytes(shape, settings.draws, score_model)
    for geometry in _candidates(settings, hardware, whole=True):
        if geometry.nodes > 1 and hardware.gpus == "auto":
            return None
        kept = states(shape, geometry, settings.adapter_rank)
        between = sum(size for part, size in kept.items() if part not in offloaded_parts(geometry))
        during = training_bytes(shape, length, geometry, settings.precision, settings.adapter_rank)
        if max(during, between + measuring) + beside <= usable:
            return geometry
    return None


def check_kept_whole(where: str, model: str, geometry: Geometry) -> None:
    """Raise ``UserError`` if a run divides its optimizer state among processes, but another stage continues with it."""
    if geometry.zero_stage is not None:
        raise UserError(
            f"{where}: an inverse stage continues with its optimizer state (optimizer: carried), which must be saved "
            f"by one process without DeepSpeed, but model {model} needs {geometry.processes} GPUs with ZeRO stage "
            f"{geometry.zero_stage}. Use GPUs with more memory, a shorter max_length, or optimizer: fresh"
        )


def generation_gpus(shape: Shape, needed: int, hardware: Hardware) -> int:
    """Number of GPUs for one process that needs ``needed`` bytes for generation; 1 if there are no GPUs.

    Layers are not divided, so with several GPUs each must have room for its share and one more layer. If a node does
    not suffice, the result is one more than the GPUs of a node.
    """
    usable = USABLE * hardware.gpu_memory_gb * 1e9
    if hardware.device == "cpu" or needed <= usable:
        return 1
    layer = 4 * max(shape.layer, shape.embedding)
    counts = range(2, hardware.gpus_per_node + 1)
    return next((gpus for gpus in counts if needed / gpus + layer <= usable), hardware.gpus_per_node + 1)


def _candidates(settings: Optimization, hardware: Hardware, whole: bool = False) -> Iterator[Geometry]:
    """All geometries that the study and the algorithm allow, in order of preference; ``whole``: no ZeRO stage 3."""
    if (why := _whole(settings)) and (hardware.zero_stage == 3 or hardware.offload == "weights"):
        raise UserError(
            f"hardware.zero_stage {hardware.zero_stage} with offload: {hardware.offload} divides each matrix among the "
            f"processes, but {why}: use zero_stage 0, 1 or 2, and offload: none or optimizer"
        )
    _check_alone(settings, hardware)
    checkpointing = (False, True) if hardware.gradient_checkpointing == "auto" else (hardware.gradient_checkpointing,)
    for nodes, processes_per_node in [(1, 1)] if settings.alone else _sizes(hardware):
        processes = nodes * processes_per_node
        for stage in _stages(hardware, processes, whole or bool(_whole(settings))):
            for checkpoint in checkpointing:
                for micro_batch in _micro_batches(settings, hardware, processes):
                    yield Geometry(nodes, processes_per_node, stage, micro_batch, checkpoint, hardware.offload)


def _whole(settings: Optimization) -> str:
    """The reason why each process needs undivided matrices, which excludes ZeRO stage 3; empty if there is none."""
    if settings.adapter_rank:
        return "lora merges its adapters with undivided matrices"
    return "ppo samples responses with undivided matrices" if settings.draws else ""


def _check_alone(settings: Optimization, hardware: Hardware) -> None:
    """Raise ``UserError`` if a training job that needs a single process is given several, or DeepSpeed."""
    wanted = {"gpus": ("auto", 1), "zero_stage": ("auto",), "offload": ("none",)}
    for key, allowed in wanted.items():
        if settings.alone and (value := getattr(hardware, key)) not in allowed:
            raise UserError(
                f"hardware.{key} is {value}, but {settings.alone}: such a job needs one process without DeepSpeed. "
                f"Set {key} to {' or '.join(map(str, allowed))}"
            )


def _sizes(hardware: Hardware) -> Iterator[tuple[int, int]]:
    """Pairs of a number of nodes and a number of GPUs on each, in order of preference."""
    per_node = hardware.gpus_per_node
    if hardware.gpus != "auto":
        yield -(-hardware.gpus // per_node), min(hardware.gpus, per_node)
        return
    yield from ((1, 2**power) for power in range(per_node.bit_length()) if 2**power < per_node)
    yield from ((nodes, per_node) for nodes in range(1, MOST_NODES + 1))


def _stages(hardware: Hardware, processes: int, whole: bool) -> tuple[int | None, ...]:
    """The ZeRO stages to try (None: without DeepSpeed). On one GPU there is nothing to divide, only to offload."""
    if hardware.zero_stage != "auto":
        return (hardware.zero_stage,)
    if hardware.offload == "none" and processes == 1:
        return (None,)
    stages = {"none": (0, 1, 2, 3), "optimizer": (1, 2, 3), "weights": (3,)}[hardware.offload]
    return tuple(stage for stage in stages if stage < 3 or not whole)


def _micro_batches(settings: Optimization, hardware: Hardware, processes: int) -> list[int]:
    """Sizes of a micro-batch to try, in sequences, the largest first.

    Of the sizes with the same number of passes only the smallest is tried, which divides the work evenly. The rows of
    an example are not divided.
    """
    rows = settings.rows
    if hardware.micro_batch != "auto":
        return [rows * max(1, hardware.micro_batch // rows)]
    share = -(-settings.batch_size // processes)
    return sorted({rows * -(-share // passes) for passes in range(1, share + 1)}, reverse=True)


def _too_large(model: str, shape: Shape, usable: float, needed: int, geometry: Geometry, settings: Optimization) -> str:
    more = "more of them (gpus), zero_stage 3, offload: optimizer or weights"
    if _whole(settings):
        more = "more of them (gpus), zero_stage 2, offload: optimizer"
    if settings.alone:
        more = f"no more than one ({settings.alone})"
    how = "without ZeRO" if geometry.zero_stage is None else f"with ZeRO stage {geometry.zero_stage}"
    return (
        f"model {model} ({shape.parameters / 1e9:.1f}e9 parameters) does not fit: training needs at least "
        f"{needed / 1e9:.1f} GB on each of {geometry.processes} GPUs {how}; a GPU has {usable / 1e9:.1f} GB "
        f"({USABLE:.0%} of hardware.gpu_memory_gb). Use GPUs with more memory, {more}, gradient_checkpointing, "
        "micro_batch 1, or a shorter max_length. Settings that are auto were varied already."
    )
