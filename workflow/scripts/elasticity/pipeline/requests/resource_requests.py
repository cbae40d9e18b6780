"""The ``threads`` and ``resources`` of rules: processes, GPUs, nodes, memory and time limit of each job.

Snakemake reruns nothing when they change, and they change no result beyond rounding.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elasticity.config.hardware import Device
from elasticity.config.sampling import EngineName
from elasticity.config.score_models import GivenScoreModel
from elasticity.config.study import Study
from elasticity.core.errors import UserError
from elasticity.pipeline.common import Wildcards
from elasticity.pipeline.requests.job_sizes import Generation, JobSizes, Training
from elasticity.resources.estimates import (
    generation_bytes,
    generation_memory_mb,
    generation_s,
    limit_min,
    rewarding_s,
    scoring_memory_mb,
    scoring_runtime_min,
    scoring_s,
    training_memory_mb,
    training_s,
)
from elasticity.resources.memory import beside_bytes
from elasticity.resources.parallelism import (
    USABLE,
    check_kept_whole,
    generation_gpus,
    measuring_geometry,
    training_geometry,
)
from elasticity.runtime.launch import Geometry


@dataclass(frozen=True)
class ResourceRequest:
    """The request of a rule: a function of the wildcards for ``threads``, and one for each of its ``resources``."""

    threads: Callable[[Wildcards], int]
    resources: dict[str, Any]


class ResourceRequests:
    """Resource requests of all jobs of a study that train a model, generate with it, or measure it."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.hardware = study.hardware
        self.sizes = sizes = JobSizes(study)
        self.pretraining = self._training(sizes.pretraining)
        self.warm_up = self._training(sizes.warm_up)
        self.alignment = self._training(sizes.alignment)
        self.inverse = self._training(sizes.inverse, sizes.measurements, sizes.is_compared)
        self.realignment = self._training(sizes.realignment, lambda w: [sizes.responses(w)])
        self.joint = self._training(sizes.joint, lambda w: [sizes.compression(w)], lambda _: True)
        self.slices = self._training(sizes.slices, lambda w: [sizes.slice_responses(w)])
        self.tuning = self._training(sizes.tuning, lambda w: [sizes.slice_responses(w)], lambda _: True)
        # A stage and the measurements of its saved checkpoints are submitted together, so they get the same GPUs.
        self.stored_inverse = self._generation(sizes.measurements, sizes.inverse, 2, draws=study.engine)
        self.stored_realignment = self._generation(lambda w: [sizes.responses(w)], sizes.realignment, 1, study.engine)
        self.stored_joint = self._generation(lambda w: [sizes.compression(w)], sizes.joint, 2)
        self.base = self._generation(sizes.measurements, sizes.inverse, draws=study.engine)
        self.base_compression = self._generation(lambda w: [sizes.compression(w)], None)
        self.base_lean = self._generation(lambda w: [sizes.lean(w)], None)
        self.arithmetic_coding = self._generation(lambda w: [sizes.arithmetic_coding(w)], None)
        self.slice_generation = self._generation(lambda w: [sizes.slice_responses(w)], sizes.slices, draws=study.engine)
        self.cross_entropy = self._generation(lambda w: [sizes.slice_responses(w)], sizes.tuning, 2)
        self.choosing = self._generation(lambda w: [sizes.slice_responses(w)], None)
        self.bits_per_byte = self._generation(lambda w: [sizes.bits_per_byte(w)], None)
        self.scoring = self._scoring(sizes.scored_responses)
        self.validate_score_model = self._scoring(lambda w: study.tasks[w.task].splits.score_model)

    @cached_property
    def measured_in_place(self) -> list[str]:
        """The base models on which stages are measured in the jobs that train them."""
        return [base for base in self.study.bases if self._is_whole(base)]

    @property
    def stored(self) -> list[str]:
        """The base models whose stages are saved, and measured by other jobs than those that train them.

        That is necessary for another engine than transformers, and for models that a GPU has no room for beside the
        state of their training, or of which ZeRO stage 3 leaves each process a part only.
        """
        return [base for base in self.study.bases if base not in self.measured_in_place]

    def _is_whole(self, base: str) -> bool:
        if self.study.engine != "transformers":
            return False
        if self.hardware.gpus_per_node == 0:
            return True
        return all(self._measuring_geometry(job, base) for job in self.sizes.measured_of_base(base))

    def _measuring_geometry(self, job: Training, base: str) -> Geometry | None:
        """The geometry of a job that trains a stage on a base model and measures it; None if there is none."""
        if self.hardware.gpus_per_node == 0:
            return self._geometry(job)
        shape, weights = self.sizes.shape(job.model), 4 * self.sizes.shape(job.model).parameters
        drawing = self.sizes.drawing_of_base(base)
        beside = [self._needed(it, models, models == 1) - weights for it, models in drawing]
        given = (job.model, shape, job.settings, job.length, self.hardware, job.score_model)
        return measuring_geometry(*given, measuring=max(beside, default=0))

    def check(self) -> None:
        """Raise ``UserError`` if a model does not fit into the GPUs that the study describes."""
        for base in self.study.bases:
            for job in self.sizes.of_base(base):
                self._geometry(job)
            for drawing, models in self.sizes.drawing_of_base(base):
                self._check_generation(drawing, models)
        for where, job in self.sizes.kept_optimizers():
            check_kept_whole(where, job.model, self._geometry(job))
        if self.hardware.device == "cuda":
            self._check_score_models()

    def _check_generation(self, job: Generation, models: int) -> None:
        shape, count = self.sizes.shape(job.model), self.hardware.gpus_per_node
        weights = 4 * shape.parameters
        if models == 1 and self.study.engine == "vllm" and generation_gpus(shape, weights, self.hardware) > 1:
            raise UserError(
                f"model {job.model}: fp32 weights take {weights / 1e9:.0f} GB, and engine: vllm keeps a model on one "
                f"GPU ({self.hardware.gpu_memory_gb:g} GB): use engine: transformers, which spreads it over several"
            )
        needed = self._needed(job, models, draws=models == 1)
        if generation_gpus(shape, needed, self.hardware) <= max(1, count):
            return
        if models == 1:
            what = f"generation needs {needed / 1e9:.0f} GB for weights and KV cache"
            change = "lower sampling.batch_size"
        else:
            what = f"comparing two models of this size needs {needed / 1e9:.0f} GB for weights"
            change = "do not measure its divergence, compression or resistance"
        usable = USABLE * self.hardware.gpu_memory_gb * count
        raise UserError(
            f"model {job.model} ({shape.parameters / 1e9:.1f}e9 parameters) does not fit: {what} in fp32 and room for "
            f"one more layer on each GPU; a node has {usable:.0f} GB usable ({USABLE:.0%} of hardware.gpu_memory_gb on "
            f"each of {count} GPUs). Use GPUs with more memory, {change}, or leave the model out of the experiments."
        )

    def _needed(self, job: Generation, models: int, draws: bool) -> int:
        """Memory of a process in bytes; a process that only measures (``draws`` is false) has no KV cache."""
        shape = self.sizes.shape(job.model)
        drawing = generation_bytes(shape, job.prompt_tokens, job.sampling, models)
        return drawing if draws else models * 4 * shape.parameters

    def _check_score_models(self) -> None:
        for name, task in self.study.tasks.items():
            if isinstance(score_model := task.score_model, GivenScoreModel):
                needed = 4 * score_model.parameters / 1e9
                if needed > (available := self.hardware.gpu_memory_gb):
                    raise UserError(
                        f"tasks.{name}.score_model: {score_model.parameters:,} fp32 parameters take {needed:.0f} GB, "
                        f"but a GPU has {available:g} (hardware.gpu_memory_gb): use larger GPUs or a "
                        "smaller score model"
                    )

    def _geometry(self, job: Training) -> Geometry:
        shape = self.sizes.shape(job.model)
        return training_geometry(job.model, shape, job.settings, job.length, self.hardware, job.score_model)

    def _training(
        self,
        describe: Callable[[Wildcards], Training],
        measured: Callable[[Wildcards], Sequence[Generation]] = lambda _: (),
        compared: Callable[[Wildcards], bool] = lambda _: False,
    ) -> ResourceRequest:
        """Request of a training job that also takes the measurements ``measured`` of the model in memory.

        ``compared``: whether they need another model of its size. Stages on other base models are not measured there.
        """

        def measurements(wildcards: Wildcards) -> Sequence[Generation]:
            base = getattr(wildcards, "base", None)
            return measured(wildcards) if base in self.measured_in_place else ()

        def geometry(wildcards: Wildcards) -> Geometry:
            job = describe(wildcards)
            if measurements(wildcards):
                whole = self._measuring_geometry(job, wildcards.base)
                assert whole is not None, f"{wildcards.base} is measured in place"
                return whole
            return self._geometry(job)

        def mem_mb(wildcards: Wildcards, attempt: int) -> int:
            job = describe(wildcards)
            shape, settings = self.sizes.shape(job.model), job.settings
            beside = beside_bytes(shape, settings.draws, job.score_model)
            models = 2 if compared(wildcards) else 1
            needed = [generation_bytes(shape, it.prompt_tokens, it.sampling, models) for it in measurements(wildcards)]
            beside += max([size - 4 * shape.parameters for size in needed], default=0)
            how = geometry(wildcards)
            return training_memory_mb(shape, job.length, how, self.hardware, attempt, settings.adapter_rank, beside)

        def runtime(wildcards: Wildcards, attempt: int) -> int:
            job = describe(wildcards)
            shape, how = self.sizes.shape(job.model), geometry(wildcards)
            given = (shape, job.settings, job.examples, job.length, how, self.hardware)
            measuring = sum(
                generation_s(shape, it.prompts, it.checkpoints, it.sampling, self.hardware, how.processes)
                for it in measurements(wildcards)
            )
            return limit_min(training_s(*given) + rewarding_s(*given, job.score_model) + measuring, attempt)

        launch = {
            "zero_stage": lambda wildcards: -1 if (stage := geometry(wildcards).zero_stage) is None else stage,
            "micro_batch": lambda wildcards: geometry(wildcards).micro_batch,
            "offload": lambda wildcards: geometry(wildcards).offload,
            "gradient_checkpointing": lambda wildcards: int(geometry(wildcards).gradient_checkpointing),
        }
        gpus = self._gpus(lambda w: geometry(w).processes_per_node, lambda w: geometry(w).nodes > 1)
        return ResourceRequest(
            lambda wildcards: self._threads(geometry(wildcards).processes_per_node),
            {"mem_mb": mem_mb, "runtime": runtime} | launch | gpus | _nodes(lambda w: geometry(w).nodes),
        )

    def _generation(
        self,
        describe: Callable[[Wildcards], Sequence[Generation]],
        beside: Callable[[Wildcards], Training] | None,
        models: int = 1,
        draws: EngineName | None = None,
    ) -> ResourceRequest:
        """Request of a job on one node, with as many processes as the training job of its group has there, or one.

        ``describe`` gives the sizes of what the job does in turn.
        ``models`` is the number of models in memory; ``draws`` is the engine that generates, None for jobs that only
        measure. A model that does not fit into one GPU is spread by one process over the GPUs of the training job, or
        as many as it needs. vLLM keeps a model on one GPU.
        """

        def geometry(wildcards: Wildcards) -> Geometry | None:
            return self._geometry(beside(wildcards)) if beside else None

        def beside_here(wildcards: Wildcards) -> int:
            return plan.processes_per_node if (plan := geometry(wildcards)) else 1

        def gpus_per_process(wildcards: Wildcards) -> int:
            jobs = describe(wildcards)
            needed = max(self._needed(job, models, draws is not None) for job in jobs)
            count = generation_gpus(self.sizes.shape(jobs[0].model), needed, self.hardware)
            if draws == "vllm" or count == 1:
                return 1
            return min(max(count, beside_here(wildcards)), self.hardware.gpus_per_node)

        def processes(wildcards: Wildcards) -> int:
            return beside_here(wildcards) if gpus_per_process(wildcards) == 1 else 1

        def beside_several(wildcards: Wildcards) -> bool:
            return plan.nodes > 1 if (plan := geometry(wildcards)) else False

        def mem_mb(wildcards: Wildcards, attempt: int) -> int:
            count = processes(wildcards)
            return max(
                generation_memory_mb(
                    self.sizes.shape(job.model),
                    job.prompt_tokens,
                    job.sampling,
                    self.hardware,
                    count,
                    attempt,
                    models,
                )
                for job in describe(wildcards)
            )

        def runtime(wildcards: Wildcards, attempt: int) -> int:
            count = processes(wildcards)
            seconds = sum(
                generation_s(
                    self.sizes.shape(job.model), job.prompts, job.checkpoints, job.sampling, self.hardware, count
                )
                for job in describe(wildcards)
            )
            return limit_min(seconds, attempt)

        return ResourceRequest(
            lambda wildcards: self._threads(processes(wildcards) * gpus_per_process(wildcards)),
            {"mem_mb": mem_mb, "runtime": runtime, "nodes": 1}
            | self._gpus(processes, beside_several, gpus_per_process),
        )

    def _scoring(self, responses: Callable[[Wildcards], int]) -> ResourceRequest:
        """Request of a scoring job on one node, with a GPU for each hour of work. A linear score model needs no GPU."""

        def score_model(wildcards: Wildcards) -> GivenScoreModel | None:
            settings = self.study.tasks[wildcards.task].score_model
            return settings if isinstance(settings, GivenScoreModel) else None

        def device(wildcards: Wildcards) -> Device:
            return self.hardware.device if score_model(wildcards) else "cpu"

        def expected_s(wildcards: Wildcards) -> float:
            settings, task = score_model(wildcards), self.study.tasks[wildcards.task]
            if settings is None:
                return 0
            tokens = min(settings.max_length, task.prompt_tokens + self.study.sampling.new_tokens)
            return scoring_s(settings.parameters, responses(wildcards), tokens, self.hardware)

        def processes(wildcards: Wildcards) -> int:
            hours = math.ceil(expected_s(wildcards) / 3600)
            return max(1, min(hours, self.hardware.gpus_per_node))

        def gpu(wildcards: Wildcards) -> int | None:
            return processes(wildcards) if self.hardware.gpus_per_node and score_model(wildcards) else None

        def mem_mb(wildcards: Wildcards, attempt: int) -> int:
            settings = score_model(wildcards)
            count = processes(wildcards)
            return scoring_memory_mb(settings.parameters if settings else 0, self.hardware, count, attempt)

        def runtime(wildcards: Wildcards, attempt: int) -> int:
            settings, each = score_model(wildcards), expected_s(wildcards) / processes(wildcards)
            return scoring_runtime_min(settings.parameters if settings else 0, each, attempt)

        def node_gpus(wildcards: Wildcards) -> int:
            return self.hardware.gpus_per_node if score_model(wildcards) else 0

        launch = {"nodes": 1, "processes": processes, "device": device, "node_gpus": node_gpus, "gpus_per_process": 1}
        return ResourceRequest(
            lambda wildcards: self._threads(processes(wildcards)) if score_model(wildcards) else 1,
            {"mem_mb": mem_mb, "runtime": runtime, "gpu": gpu, **launch},
        )

    def _threads(self, places: int) -> int:
        """Processor cores on each node for a number of GPUs, or of processes in their place."""
        return places * (self.hardware.cores_per_gpu if self.hardware.gpus_per_node else 1)

    def _gpus(
        self,
        processes: Callable[[Wildcards], int],
        several: Callable[[Wildcards], bool],
        gpus_per_process: Callable[[Wildcards], int] = lambda wildcards: 1,
    ) -> dict[str, Any]:
        """Processes on each node, and their GPUs under the names that the SLURM executor knows.

        Jobs on several nodes, and jobs that are submitted together with these, request ``gres`` (GPUs of each node).
        All others request ``gpu``, which also limits local runs. A submission must not have both.
        """
        there = self.hardware.gpus_per_node > 0

        def gpus(wildcards: Wildcards) -> int:
            return processes(wildcards) * gpus_per_process(wildcards)

        return {
            "processes": processes,
            "gpus_per_process": gpus_per_process,
            "device": self.hardware.device,
            "node_gpus": self.hardware.gpus_per_node,
            "gpu": lambda wildcards: gpus(wildcards) if there and not several(wildcards) else None,
            "gres": lambda wildcards: f"gpu:{gpus(wildcards)}" if there and several(wildcards) else None,
        }


def _nodes(nodes: Callable[[Wildcards], int]) -> dict[str, Any]:
    """The number of nodes. With several, the job's shell calls srun itself (``mpi``), with one task on each node.

    Snakemake leaves out resources that are None.
    """
    return {
        "nodes": nodes,
        "mpi": lambda wildcards: "srun" if nodes(wildcards) > 1 else None,
        "tasks": lambda wildcards: nodes(wildcards) if nodes(wildcards) > 1 else None,
        "tasks_per_gpu": lambda wildcards: 0 if nodes(wildcards) > 1 else None,
        "slurm_extra": lambda wildcards: "--ntasks-per-node=1" if nodes(wildcards) > 1 else None,
    }
