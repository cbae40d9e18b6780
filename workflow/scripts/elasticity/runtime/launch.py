"""Launching jobs: processes, device, and the division of a model. None of it changes results beyond rounding.

Rules call the script ``launch.py``. It is replaced by the job's process, or by torchrun if the job has several
processes. On several nodes it is first replaced by srun, which starts it again on each node. The job reads the settings
from its environment.
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
"""The environment variable that holds the ``Launch`` of a job as JSON."""


LAUNCHER = (
    'python "$SCRIPTS"/launch.py --device {resources.device} --nodes {resources.nodes}'
    " --processes {resources.processes} --threads {threads} --gpus-per-node {resources.node_gpus}"
    " --gpus-per-process {resources.gpus_per_process}"
)
"""The command of the launcher, with Snakemake's resources to be filled in."""


DIVISION = (
    "--zero-stage {resources.zero_stage} --micro-batch {resources.micro_batch} --offload {resources.offload}"
    " --gradient-checkpointing {resources.gradient_checkpointing}"
)
"""The options of the launcher that divide training among processes."""


def launched(command: str) -> str:
    """Return the shell command of a rule whose job may have several processes."""
    return f"{LAUNCHER} {command}"


def launched_training(command: str) -> str:
    """Return the shell command of a rule that trains a model, which may be divided among processes."""
    return f"{LAUNCHER} {DIVISION} {command}"


class Launch(Section):
    """The settings with which a job is launched."""

    device: Device = "cpu"
    nodes: PositiveInt = 1
    processes: PositiveInt = 1
    """Processes on each node."""
    threads: PositiveInt = 1
    """Processor cores on each node, for all processes together."""
    gpus_per_node: NonNegativeInt = 0
    """GPUs that a node has."""
    gpus_per_process: PositiveInt = 1
    """GPUs of each process; more than one if a model is spread over them in a single process."""
    zero_stage: int = Field(-1, ge=-1, le=3)
    """DeepSpeed's ZeRO stage; -1: plain PyTorch without DeepSpeed, in one process."""
    micro_batch: NonNegativeInt = 0
    """Examples in one forward pass of one process; 0: the whole batch."""
    offload: Offload = "none"
    gradient_checkpointing: bool = False

    @property
    def gpus(self) -> int:
        """GPUs that the job takes on each node, if nodes have GPUs."""
        return self.processes * self.gpus_per_process

    @classmethod
    def of_job(cls) -> "Launch":
        """Return the settings with which this process was launched, or the defaults if it was not."""
        return cls.model_validate_json(os.environ.get(VARIABLE, "{}"))

    def environment(self) -> dict[str, str]:
        """Return the environment variables of the job."""
        return {
            VARIABLE: json.dumps(self.model_dump()),
            "OMP_NUM_THREADS": str(max(1, self.threads // self.processes) if self.device == "cuda" else 1),
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # for reproducible matrix products on GPUs
            "DS_ACCELERATOR": self.device,
        }

    def command(self, script: list[str], environment: Mapping[str, str]) -> list[str]:
        """Return the command by which the launcher is replaced.

        ``environment`` is that of the job. On several nodes it distinguishes the batch script, which calls srun, from a
        task of srun, which calls torchrun.
        """
        if self.nodes > 1 and "SLURM_STEP_NUM_NODES" not in environment:
            return self._srun([sys.executable, *sys.argv])
        if self.nodes * self.processes == 1 and self.zero_stage < 0:
            return [sys.executable, *script]
        torchrun = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={self.processes}"]
        return [*torchrun, "--signals-to-handle=SIGTERM,SIGUSR1,SIGINT", *self._meeting(environment), "--", *script]

    def _srun(self, command: list[str]) -> list[str]:
        """Return the srun command with one task per node.

        All options are explicit, because batch scripts of Snakemake see only the id of their job.
        """
        where = [f"--nodes={self.nodes}", f"--ntasks={self.nodes}", "--ntasks-per-node=1"]
        return ["srun", *where, f"--cpus-per-task={self.threads}", "--kill-on-bad-exit=1", *command]

    def _meeting(self, environment: Mapping[str, str]) -> list[str]:
        """Return the options by which the processes of torchrun find each other."""
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
"""Elements that DeepSpeed sends at once (``reduce_bucket_size`` and similar). Its default, 5e8, takes gigabytes."""


@dataclass(frozen=True)
class Geometry:
    """How training is divided among processes, one for each GPU.

    ``zero_stage`` None means one process without DeepSpeed.
    """

    nodes: int
    processes_per_node: int
    zero_stage: int | None
    micro_batch: int
    gradient_checkpointing: bool
    offload: Offload

    @property
    def processes(self) -> int:
        """Processes on all nodes."""
        return self.nodes * self.processes_per_node
