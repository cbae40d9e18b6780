"""The budget of a study: the GPU hours, tokens and disk space of its workload."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce

from elasticity.config.hardware import Hardware
from elasticity.config.models import HubModel, TunedModel
from elasticity.config.study import Study
from elasticity.models.shapes import Shape, shape_of
from elasticity.pipeline.planning.workload import Drawing, Training, needed_models, workload
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.resources.estimates import (
    CPU_FLOPS_PER_S,
    STATE_BYTES,
    generation_s,
    passes,
    pause_s,
    rewarding_s,
    training_s,
)
from elasticity.resources.flops import training_flops_per_token
from elasticity.resources.memory import trained_parameters
from elasticity.resources.parallelism import training_geometry
from elasticity.runtime.launch import Geometry

_shape_of = cache(shape_of)


BYTES_PER_WEIGHT = 4
"""Bytes of a weight of a checkpoint, which is fp32."""


BYTES_PER_SOURCE_WEIGHT = 2
"""Bytes of a weight of a downloaded model: most models on the hub have 16-bit weights."""


DEFAULT_MACHINE = Hardware(device="cuda", gpus_per_node=8, gpu="A100", gpu_memory_gb=80)
"""The GPUs that costs are given for if the study describes none."""


@dataclass(frozen=True)
class Stage:
    """The cost of all jobs of one kind. Tokens are upper bounds; ``disk_bytes`` stay when the study is finished."""

    name: str
    jobs: int = 0
    examples: int = 0
    updates: int = 0
    trained_tokens: int = 0
    drawn_tokens: int = 0
    gpu_hours: float = 0.0
    disk_bytes: int = 0

    def plus(self, other: "Stage") -> "Stage":
        """The sum of two stages, with the name of the first."""
        return Stage(
            self.name,
            self.jobs + other.jobs,
            self.examples + other.examples,
            self.updates + other.updates,
            self.trained_tokens + other.trained_tokens,
            self.drawn_tokens + other.drawn_tokens,
            self.gpu_hours + other.gpu_hours,
            self.disk_bytes + other.disk_bytes,
        )


@dataclass(frozen=True)
class Disk:
    """Peak disk space in bytes: files that stay, downloads, and temporary files of jobs that run on ``gpus`` GPUs."""

    kept: int
    sources: int
    passing: int
    gpus: int

    @property
    def peak(self) -> int:
        """The sum of all, which is an upper bound."""
        return self.kept + self.sources + self.passing


class Budget:
    """The costs of a study on its own GPUs, or on those of ``DEFAULT_MACHINE``."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.machine = _machine(study.hardware)
        self.work = list(workload(study))

    def stages(self) -> list[Stage]:
        """Every stage of the study that trains or generates, after the imported models."""
        imported = [name for name in needed_models(self.study) if self._is_imported(name)]
        disk = sum(self._shape(name).parameters for name in imported) * BYTES_PER_WEIGHT
        found = {"imported models": Stage("imported models", jobs=len(imported), disk_bytes=disk)}
        for work in self.work:
            cost = self._trained(work) if isinstance(work, Training) else self._drawn(work)
            found[cost.name] = found[cost.name].plus(cost) if cost.name in found else cost
        return [stage for stage in found.values() if stage.jobs]

    def disk(self) -> Disk:
        """Peak disk space if jobs fill the GPUs of a node, or of as many nodes as the largest job needs.

        Temporary files are those of the jobs that hold the most for each GPU; the last of them counts by the share of
        its GPUs that are left, so no set of jobs that runs on these GPUs holds more.
        """
        held = [(self._held(work), self._geometry(work).processes) for work in self.work if isinstance(work, Training)]
        gpus = max([self.machine.gpus_per_node, *(processes for _, processes in held)])
        passing, free = 0.0, gpus
        for size, processes in sorted(held, key=lambda job: job[0] / job[1], reverse=True):
            passing += size * min(1, free / processes)
            free -= min(free, processes)
        sources = [name for name in needed_models(self.study) if isinstance(self.study.models[name], HubModel)]
        return Disk(
            kept=sum(stage.disk_bytes for stage in self.stages()),
            sources=sum(self._shape(name).parameters for name in sources) * BYTES_PER_SOURCE_WEIGHT,
            passing=math.ceil(passing),
            gpus=gpus,
        )

    def _is_imported(self, name: str) -> bool:
        return (
            not isinstance(self.study.models[name], TunedModel) and name not in Pipeline(self.study).models.pretrained
        )

    def _shape(self, model: str) -> Shape:
        return _shape_of(self.study.models[model])

    def _geometry(self, work: Training) -> Geometry:
        shape = self._shape(work.model)
        return training_geometry(work.model, shape, work.settings, work.length, self.machine, work.score_model)

    def _held(self, work: Training) -> int:
        """Bytes of temporary files of a job; checkpoints that stay are the same files as in its state.

        A short job saves a state only if a signal stops it. In a long one there may be two, since the old one is
        deleted last.
        """
        shape, rank = self._shape(work.model), work.settings.adapter_rank
        states = 2 if self._seconds(work) > pause_s(shape, rank, self._geometry(work).processes) else 1
        weights = BYTES_PER_WEIGHT * work.passing * shape.parameters
        return weights + STATE_BYTES * states * trained_parameters(shape, rank)

    def _seconds(self, work: Training) -> float:
        given = (self._shape(work.model), work.settings, work.examples, work.length, self._geometry(work), self.machine)
        return training_s(*given) + rewarding_s(*given, work.score_model)

    def _trained(self, work: Training) -> Stage:
        shape = self._shape(work.model)
        return Stage(
            work.stage,
            jobs=1,
            examples=work.examples,
            updates=work.updates,
            trained_tokens=work.examples * passes(work.settings)[0] * work.length,
            drawn_tokens=work.examples * work.settings.draws,
            gpu_hours=self._seconds(work) * self._geometry(work).processes / 3600,
            disk_bytes=work.kept * shape.parameters * BYTES_PER_WEIGHT,
        )

    def _drawn(self, work: Drawing) -> Stage:
        seconds = generation_s(self._shape(work.model), work.prompts, work.checkpoints, work.sampling, self.machine, 1)
        tokens = work.prompts * work.checkpoints * work.sampling.new_tokens
        return Stage(work.stage, jobs=work.jobs, drawn_tokens=tokens, gpu_hours=seconds / 3600)


CPU_CAUTION = 2
"""How much faster than the cautious rate of time limits a CPU core trains.

With a job on each core 2.6e10 to 4.4e10 FLOP/s were measured, on models of 0.9 to 135 million parameters.
"""


JOB_START_S = 5
"""Seconds in which a job starts and loads its model on a CPU."""


def core_hours(study: Study) -> float:
    """Expected hours of one CPU core for the training of a study, for its starts, and for the measurement of leans."""
    cpu, rate, seconds = Hardware(device="cpu"), CPU_CAUTION * CPU_FLOPS_PER_S, 0.0
    for work in workload(study):
        if isinstance(work, Training):
            shape = _shape_of(study.models[work.model])
            one = Geometry(1, 1, None, work.settings.batch_size, False, "none")
            seconds += (
                JOB_START_S + training_s(shape, work.settings, work.examples, work.length, one, cpu) / CPU_CAUTION
            )
    for inverse, sizes in Pipeline(study).rebound.cells.items():
        task, name = study.tasks[inverse.alignment.task], study.origin(inverse.alignment.base)
        tokens = len(sizes) * 2 * task.lean_texts * (task.held_out_tokens + task.prompt_tokens) * bool(task.splits.lean)
        seconds += tokens * training_flops_per_token(_shape_of(study.models[name]), task.held_out_tokens) / 3 / rate
    return seconds / 3600


def total(stages: Iterable[Stage]) -> Stage:
    """The sum of all stages."""
    return reduce(Stage.plus, stages, Stage("total"))


def _machine(hardware: Hardware) -> Hardware:
    if hardware.device == "cpu":
        return DEFAULT_MACHINE
    return hardware if hardware.gpu else hardware.model_copy(update={"gpu": DEFAULT_MACHINE.gpu})
