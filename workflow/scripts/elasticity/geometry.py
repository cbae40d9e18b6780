"""How a training job is divided among processes."""

from dataclasses import dataclass

from elasticity.hardware import Offload

BUCKET = 50_000_000
"""Elements that DeepSpeed sends at once (``reduce_bucket_size`` and the like); its own 5e8 would take gigabytes."""


@dataclass(frozen=True)
class Geometry:
    """Processes, one a GPU, and what each keeps. ``zero_stage`` None is one plain process without DeepSpeed."""

    nodes: int
    processes_per_node: int
    zero_stage: int | None
    micro_batch: int
    gradient_checkpointing: bool
    offload: Offload

    @property
    def processes(self) -> int:
        """On all nodes."""
        return self.nodes * self.processes_per_node
