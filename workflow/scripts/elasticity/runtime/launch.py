"""How a job runs: its processes, their device, and how they divide a model. It changes no result beyond rounding.

A rule calls ``launch.py``, which becomes the job's process, or torchrun with several; over several nodes it becomes
srun, which starts it again on each. The job finds these values in its environment.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, NonNegativeInt, PositiveInt

from elasticity.config.base import Section
from elasticity.config.hardware import Device, Offload

VARIABLE = "ELASTICITY_LAUNCH"


LAUNCHER = (
    "python workflow/scripts/launch.py --device {resources.device} --nodes {resources.nodes}"
    " --processes {resources.processes} --threads {threads} --gpus-per-node {resources.node_gpus}"
    " --gpus-per-process {resources.gpus_per_process}"
)


DIVISION = (
    "--zero-stage {resources.zero_stage} --micro-batch {resources.micro_batch} --offload {resources.offload}"
    " --gradient-checkpointing {resources.gradient_checkpointing}"
)


def launched(command: str) -> str:
    """The shell command of a rule whose job may have several processes. See ``requests`` for the resources."""
    return f"{LAUNCHER} {command}"


def launched_training(command: str) -> str:
    """The same for a rule that trains a model, which may be divided among the processes."""
    return f"{LAUNCHER} {DIVISION} {command}"


class Launch(Section):
    """What the launcher was told."""

    device: Device = "cpu"
    nodes: PositiveInt = 1
    processes: PositiveInt = 1
    """On each node; without GPUs one, unless processes take their place."""
    threads: PositiveInt = 1
    """Processor cores on each node, for all processes together."""
    gpus_per_node: NonNegativeInt = 0
    """That a node has."""
    gpus_per_process: PositiveInt = 1
    """Several, for a single process whose model is spread over them."""
    zero_stage: int = Field(-1, ge=-1, le=3)
    """DeepSpeed's; -1: plain PyTorch, which takes one process."""
    micro_batch: NonNegativeInt = 0
    """Examples in one pass of one process; 0: the whole batch."""
    offload: Offload = "none"
    gradient_checkpointing: bool = False

    @property
    def gpus(self) -> int:
        """That the job takes on each node, if nodes have any."""
        return self.processes * self.gpus_per_process

    @classmethod
    def of_job(cls) -> "Launch":
        """How this process was launched; as one plain process if by hand."""
        return cls.model_validate_json(os.environ.get(VARIABLE, "{}"))

    def environment(self) -> dict[str, str]:
        """What the job finds in its environment."""
        return {
            VARIABLE: json.dumps(self.model_dump()),
            "OMP_NUM_THREADS": str(max(1, self.threads // self.processes) if self.device == "cuda" else 1),
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # or matrix products on GPUs are not reproducible
            "DS_ACCELERATOR": self.device,
        }

    def command(self, script: list[str], environment: Mapping[str, str]) -> list[str]:
        """The command that this process becomes.

        ``environment`` is that of the job: on several nodes it tells the batch script, which calls srun, from a task
        of srun's, which calls torchrun.
        """
        if self.nodes > 1 and "SLURM_STEP_NUM_NODES" not in environment:
            return self._srun([sys.executable, *sys.argv])
        if self.nodes * self.processes == 1 and self.zero_stage < 0:
            return [sys.executable, *script]
        torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={self.processes}"]
        return [*torchrun, "--signals-to-handle=SIGTERM,SIGUSR1,SIGINT", *self._meeting(environment), "--", *script]

    def _srun(self, command: list[str]) -> list[str]:
        """One task a node. Everything is told: a batch script of Snakemake's sees the job's number only."""
        where = [f"--nodes={self.nodes}", f"--ntasks={self.nodes}", "--ntasks-per-node=1"]
        return ["srun", *where, f"--cpus-per-task={self.threads}", "--kill-on-bad-exit=1", *command]

    def _meeting(self, environment: Mapping[str, str]) -> list[str]:
        """Where torchrun's processes find each other."""
        if self.nodes == 1:
            return ["--standalone"]
        port = 20_000 + int(environment["SLURM_JOB_ID"]) % 10_000
        return [
            f"--nnodes={self.nodes}",
            f"--node-rank={environment['SLURM_NODEID']}",
            f"--master-addr={environment['SLURM_LAUNCH_NODE_IPADDR']}",
            f"--master-port={port}",
        ]


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
