"""The smallest geometry that a training job fits into."""

from collections.abc import Iterator

from elasticity.errors import UserError
from elasticity.geometry import Geometry
from elasticity.hardware import Hardware
from elasticity.memory import training_bytes
from elasticity.settings import Optimization
from elasticity.shapes import Shape

USABLE = 0.9
"""Share of a GPU's memory that is planned; the rest is for the context, libraries and fragmentation."""

MOST_NODES = 64
"""Where the search ends."""


def training_geometry(model: str, shape: Shape, settings: Optimization, length: int, hardware: Hardware) -> Geometry:
    """The geometry of a job that trains a model on sequences of up to ``length`` tokens.

    Without GPUs one plain process that takes a batch in one pass: results do not change by dividing it. With GPUs the
    first that fits, in this order: the fewest GPUs (powers of two, then whole nodes), the lowest stage, without
    gradient checkpointing, the largest micro-batch. What the study sets is taken as it is.

    Raises ``UserError`` if nothing fits.
    """
    if hardware.gpus_per_node == 0:
        micro_batch = settings.batch_size if hardware.micro_batch == "auto" else hardware.micro_batch
        return Geometry(1, 1, None, micro_batch, hardware.gradient_checkpointing is True, "none")
    usable = USABLE * hardware.gpu_memory_gb * 1e9

    def needed(geometry: Geometry) -> int:
        return training_bytes(shape, length, geometry, settings.precision)

    for geometry in _candidates(settings.batch_size, hardware):
        if needed(geometry) <= usable:
            return geometry
    smallest = min(_candidates(settings.batch_size, hardware), key=needed)
    raise UserError(_too_large(model, shape, usable, needed(smallest), smallest))


def _candidates(batch_size: int, hardware: Hardware) -> Iterator[Geometry]:
    """All geometries that the study allows, the most welcome first."""
    checkpointing = (False, True) if hardware.gradient_checkpointing == "auto" else (hardware.gradient_checkpointing,)
    for nodes, processes_per_node in _sizes(hardware):
        processes = nodes * processes_per_node
        for stage in _stages(hardware, processes):
            for checkpoint in checkpointing:
                for micro_batch in _micro_batches(batch_size, hardware, processes):
                    yield Geometry(nodes, processes_per_node, stage, micro_batch, checkpoint, hardware.offload)


def _sizes(hardware: Hardware) -> Iterator[tuple[int, int]]:
    """Numbers of nodes and of GPUs on each."""
    per_node = hardware.gpus_per_node
    if hardware.gpus != "auto":
        yield -(-hardware.gpus // per_node), min(hardware.gpus, per_node)
        return
    yield from ((1, 2**power) for power in range(per_node.bit_length()) if 2**power < per_node)
    yield from ((nodes, per_node) for nodes in range(1, MOST_NODES + 1))


def _stages(hardware: Hardware, processes: int) -> tuple[int | None, ...]:
    """The stages of ZeRO that are worth trying: on one GPU there is nothing to divide, only to offload."""
    if hardware.zero_stage != "auto":
        return (hardware.zero_stage,)
    if hardware.offload == "none" and processes == 1:
        return (None,)
    return {"none": (0, 1, 2, 3), "optimizer": (1, 2, 3), "weights": (3,)}[hardware.offload]


def _micro_batches(batch_size: int, hardware: Hardware, processes: int) -> list[int]:
    """The largest first; of those that make equally many passes only the smallest, which divides the work evenly."""
    if hardware.micro_batch != "auto":
        return [hardware.micro_batch]
    share = -(-batch_size // processes)
    return sorted({-(-share // passes) for passes in range(1, share + 1)}, reverse=True)


def _too_large(model: str, shape: Shape, usable: float, needed: int, geometry: Geometry) -> str:
    how = "without ZeRO" if geometry.zero_stage is None else f"with ZeRO stage {geometry.zero_stage}"
    return (
        f"model {model} ({shape.parameters / 1e9:.1f}e9 parameters) does not fit: training needs at least "
        f"{needed / 1e9:.1f} GB on each of {geometry.processes} GPUs {how}, and {usable / 1e9:.1f} GB are usable "
        f"({USABLE:.0%} of hardware.gpu_memory_gb). Take GPUs with more memory, more of them (gpus), zero_stage 3, "
        "offload: optimizer or weights, gradient_checkpointing, micro_batch 1, or a shorter max_length; "
        "what is left at auto is tried."
    )
