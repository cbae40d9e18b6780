"""What each job asks of a machine: processes, GPUs, nodes, memory, time. The rules' ``threads`` and ``resources``.

Snakemake reruns nothing when these change, and they change no result beyond rounding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from elasticity import ladders
from elasticity.fitting import training_geometry
from elasticity.geometry import Geometry
from elasticity.materials_plan import Wildcards
from elasticity.resources import (
    answering_memory_mb,
    answering_runtime_min,
    training_memory_mb,
    training_runtime_min,
)
from elasticity.settings import FineTuning, Optimization, Sampling
from elasticity.shapes import Shape, shape_of
from elasticity.study import Pretrained, Resistance, Study

_shape_of = cache(shape_of)


@dataclass(frozen=True)
class Training:
    """A training job: what model, on how many examples of what length in tokens."""

    model: str
    settings: Optimization
    length: int
    examples: int


@dataclass(frozen=True)
class Answering:
    """A job that draws from models: how many prompts with how many rungs each, and how."""

    model: str
    prompts: int
    prompt_tokens: int
    rungs: int
    sampling: Sampling


@dataclass(frozen=True)
class Demand:
    """For a rule: a function of the wildcards for its ``threads``, and one for each of its ``resources``."""

    threads: Callable[[Wildcards], int]
    resources: dict[str, Any]


class Demands:
    """Of all jobs of a study that train a model or draw from it."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.hardware = study.hardware
        self.pretraining = self._training(self._pretraining)
        self.first_side = self._training(lambda w: self._ladder(w, study.first_side))
        self.second_side = self._training(lambda w: self._ladder(w, study.second_side))
        self.slices = self._training(lambda w: self._slices(w, 3, self._experiment(w).slices))
        self.tuning = self._training(lambda w: self._slices(w, 1, self._experiment(w).tuning))
        # Second sides and their answers are one submission: the answers get its GPUs.
        self.answering = self._answering(self._answers, lambda w: self._ladder(w, study.second_side))
        self.slice_answering = self._answering(
            self._slice_answers, lambda w: self._slices(w, 3, self._experiment(w).slices)
        )
        self.measuring = self._answering(self._slice_answers, None)
        self.base_measuring = self._answering(self._base_measurements, None)

    def check(self) -> None:
        """Raise ``UserError`` if a model does not fit into the GPUs that the study describes."""
        for base, (name, _) in self.study.bases.items():
            model = self.study.models[name]
            if isinstance(model, Pretrained):
                self._geometry(Training(name, model.optimization, model.context, 1))
            for settings in self._fine_tunings(base):
                self._geometry(Training(name, settings, settings.max_length, 1))

    def _fine_tunings(self, base: str) -> Iterator[FineTuning]:
        yield from (self.study.first_side, self.study.second_side)
        for experiment in self.study.resistance.values():
            if base in experiment.bases:
                yield from (experiment.slices, experiment.tuning)

    # What the jobs are

    def _pretraining(self, wildcards: Wildcards) -> Training:
        model = self.study.models[wildcards.model]
        assert isinstance(model, Pretrained)
        sequences = model.updates * model.optimization.batch_size
        return Training(wildcards.model, model.optimization, model.context, sequences)

    def _ladder(self, wildcards: Wildcards, settings: FineTuning) -> Training:
        """Of a ladder; a base model's answers belong to none."""
        largest = ladders.parse(getattr(wildcards, "ladder", "1"))[-1]
        return self._fine_tuning(wildcards, settings, max(1, largest))

    def _slices(self, wildcards: Wildcards, parts: int, settings: FineTuning) -> Training:
        return self._fine_tuning(wildcards, settings, parts * self._part(wildcards))

    def _fine_tuning(self, wildcards: Wildcards, settings: FineTuning, examples: int) -> Training:
        return Training(self._model(wildcards.base), settings, settings.max_length, examples * settings.epochs)

    def _answers(self, wildcards: Wildcards) -> Answering:
        task = self.study.tasks[wildcards.task]
        rungs = len(ladders.parse(getattr(wildcards, "ladder", "1")))
        return Answering(
            self._model(wildcards.base), task.pools.prompts, task.prompts.max_tokens, rungs, self.study.sampling
        )

    def _slice_answers(self, wildcards: Wildcards) -> Answering:
        """Of three slices: twins to the prompts of D4, and questions. Measuring them takes less than drawing them."""
        experiment = self._experiment(wildcards)
        task = self.study.tasks[experiment.task]
        prompts = task.pools.prompts + task.pools.resistance
        model = self._model(wildcards.base)
        return Answering(model, prompts, task.prompts.max_tokens, 3, experiment.twin_sampling)

    def _base_measurements(self, wildcards: Wildcards) -> Answering:
        """Of held-out texts under all base models; the largest of them decides."""
        largest = max(self.study.models, key=lambda name: self._shape(name).parameters)
        task = self.study.tasks[wildcards.task]
        tokens = task.held_out_tokens
        return Answering(largest, 3 * task.pools.held_out, tokens, len(self.study.bases), self.study.sampling)

    def _experiment(self, wildcards: Wildcards) -> Resistance:
        return self.study.resistance[wildcards.experiment]

    def _part(self, wildcards: Wildcards) -> int:
        return self.study.tasks[self._experiment(wildcards).task].pools.resistance

    def _model(self, base: str) -> str:
        return self.study.bases[base][0]

    def _shape(self, model: str) -> Shape:
        return _shape_of(self.study.models[model])

    # What they ask for

    def _geometry(self, job: Training) -> Geometry:
        return training_geometry(job.model, self._shape(job.model), job.settings, job.length, self.hardware)

    def _training(self, describe: Callable[[Wildcards], Training]) -> Demand:
        def geometry(wildcards: Wildcards) -> Geometry:
            return self._geometry(describe(wildcards))

        def mem_mb(wildcards: Wildcards, attempt: int) -> int:
            job = describe(wildcards)
            shape = self._shape(job.model)
            return training_memory_mb(shape, job.length, geometry(wildcards), self.hardware, attempt)

        def runtime(wildcards: Wildcards, attempt: int) -> int:
            job = describe(wildcards)
            shape = self._shape(job.model)
            return training_runtime_min(shape, job.examples, job.length, geometry(wildcards), self.hardware, attempt)

        launch = {
            "zero_stage": lambda wildcards: -1 if (stage := geometry(wildcards).zero_stage) is None else stage,
            "micro_batch": lambda wildcards: geometry(wildcards).micro_batch,
            "offload": lambda wildcards: geometry(wildcards).offload,
            "gradient_checkpointing": lambda wildcards: int(geometry(wildcards).gradient_checkpointing),
        }
        gpus = self._gpus(lambda w: geometry(w).processes_per_node, lambda w: geometry(w).nodes > 1)
        return Demand(
            lambda wildcards: self._threads(geometry(wildcards).processes_per_node),
            {"mem_mb": mem_mb, "runtime": runtime} | launch | gpus | _nodes(lambda w: geometry(w).nodes),
        )

    def _answering(
        self, describe: Callable[[Wildcards], Answering], beside: Callable[[Wildcards], Training] | None
    ) -> Demand:
        """On one node: with as many processes as the training job beside it has there, or one."""

        def geometry(wildcards: Wildcards) -> Geometry | None:
            return self._geometry(beside(wildcards)) if beside else None

        def processes(wildcards: Wildcards) -> int:
            return plan.processes_per_node if (plan := geometry(wildcards)) else 1

        def beside_several(wildcards: Wildcards) -> bool:
            return plan.nodes > 1 if (plan := geometry(wildcards)) else False

        def mem_mb(wildcards: Wildcards, attempt: int) -> int:
            job, count = describe(wildcards), processes(wildcards)
            shape = self._shape(job.model)
            return answering_memory_mb(shape, job.prompt_tokens, job.sampling, self.hardware, count, attempt)

        def runtime(wildcards: Wildcards, attempt: int) -> int:
            job, count = describe(wildcards), processes(wildcards)
            shape = self._shape(job.model)
            return answering_runtime_min(shape, job.prompts, job.rungs, job.sampling, self.hardware, count, attempt)

        return Demand(
            lambda wildcards: self._threads(processes(wildcards)),
            {"mem_mb": mem_mb, "runtime": runtime, "nodes": 1, **self._gpus(processes, beside_several)},
        )

    def _threads(self, processes: int) -> int:
        """Processor cores on each node."""
        return processes * (self.hardware.cores_per_gpu if self.hardware.gpus_per_node else 1)

    def _gpus(self, processes: Callable[[Wildcards], int], several: Callable[[Wildcards], bool]) -> dict[str, Any]:
        """Processes on each node, and their GPUs in the words of the SLURM executor.

        That is ``gpu``, which local runs count, too; but ``gres`` (of each node) for jobs of several nodes and those
        beside them in a group, because a submission may not have both.
        """
        there = self.hardware.gpus_per_node > 0
        return {
            "processes": processes,
            "device": self.hardware.device,
            "node_gpus": self.hardware.gpus_per_node,
            "gpu": lambda wildcards: processes(wildcards) if there and not several(wildcards) else None,
            "gres": lambda wildcards: f"gpu:{processes(wildcards)}" if there and several(wildcards) else None,
        }


def _nodes(nodes: Callable[[Wildcards], int]) -> dict[str, Any]:
    """Nodes; if there are several, the job's shell calls srun itself (``mpi``), which gets one task a node.

    A resource that is None is not asked for.
    """
    return {
        "nodes": nodes,
        "mpi": lambda wildcards: "srun" if nodes(wildcards) > 1 else None,
        "tasks": lambda wildcards: nodes(wildcards) if nodes(wildcards) > 1 else None,
        "tasks_per_gpu": lambda wildcards: 0 if nodes(wildcards) > 1 else None,
        "slurm_extra": lambda wildcards: "--ntasks-per-node=1" if nodes(wildcards) > 1 else None,
    }
