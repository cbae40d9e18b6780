"""The expected cost of a study: the jobs that train models or generate responses, their GPU hours and disk space."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from types import SimpleNamespace

from elasticity.config.experiments import Resistance
from elasticity.config.hardware import Hardware, peak_tflops
from elasticity.config.models import HubModel, Pretrained, TunedModel
from elasticity.config.sampling import Sampling
from elasticity.config.score_models import score_model_parameters
from elasticity.config.study import Study
from elasticity.config.training import FineTuning
from elasticity.core.run_names import run_name
from elasticity.models.shapes import Shape, shape_of
from elasticity.pipeline import runs
from elasticity.pipeline.requests import job_sizes
from elasticity.pipeline.requests.resource_requests import ResourceRequests
from elasticity.pipeline.resistance import PATHS
from elasticity.pipeline.runs import RunSizes
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.resources.estimates import CPU_FLOPS_PER_S, GPU_SHARE, generation_s, passes, rewarding_s, training_s
from elasticity.resources.flops import training_flops_per_token
from elasticity.resources.parallelism import training_geometry
from elasticity.runtime.launch import Geometry


@dataclass(frozen=True, kw_only=True)
class Training(job_sizes.Training):
    """A training job of a stage of the study.

    ``kept`` counts the checkpoints that stay on disk. ``passing`` counts temporary ones, including those of other jobs
    that wait for the same reader. What several jobs share is counted for one of them.
    """

    stage: str
    updates: int
    kept: int = 0
    passing: int = 0


@dataclass(frozen=True)
class Drawing:
    """The generation of responses with several checkpoints; ``jobs`` is 0 if it is a part of another job."""

    stage: str
    model: str
    prompts: int
    checkpoints: int
    sampling: Sampling
    jobs: int = 1


Work = Training | Drawing


def workload(study: Study) -> Iterator[Work]:
    """Yield all jobs of a study that train or generate, stage by stage."""
    yield from _models(study)
    pipeline = Pipeline(study)
    yield from _alignment_stages(pipeline)
    yield from _inverse_stages(pipeline)
    yield from _responses(pipeline)
    yield from _realignment_stages(pipeline)
    yield from _joint(pipeline)
    for name, experiment in study.resistance.items():
        for base in experiment.bases:
            makes = pipeline.resistance.maker(name, base) == name
            for _ in study.seeds:
                yield from _resistance(pipeline, f"resistance {name}", base, experiment, makes)


def needed_models(study: Study) -> list[str]:
    """Names of the models that an experiment needs, and of those that they are made from."""
    wanted = [base for rebound in study.rebound.values() for base in rebound.bases]
    wanted += [base for resistance in study.resistance.values() for base in resistance.bases]
    found: set[str] = set()
    while wanted:
        name = study.bases[wanted.pop()][0]
        found.add(name)
        if isinstance(model := study.models[name], TunedModel):
            wanted.append(model.base)
    return [name for name in study.models if name in found]


def _models(study: Study) -> Iterator[Training]:
    for name in needed_models(study):
        model = study.models[name]
        if isinstance(model, Pretrained):
            kept, settings = len(model.checkpoints) + 1, model.optimization
            examples = model.updates * settings.batch_size
            yield Training(
                name, settings, model.context, examples, stage="pre-training", updates=model.updates, kept=kept
            )
        elif isinstance(model, TunedModel):
            yield _fine_tuning("tuned models", study.origin(name), model.tuning, (model.examples,), kept=1)


def _alignment_stages(pipeline: Pipeline) -> Iterator[Training]:
    for alignment in pipeline.rebound.alignment_sizes:
        model, settings = pipeline.study.origin(alignment.base), pipeline.study.recipe(alignment.recipe)
        for run_sizes in pipeline.rebound.alignment_runs(alignment):
            # The state of an optimizer has two moments, each as large as the weights. A weak model is one more.
            copies = 1 + 2 * pipeline.rebound.keeps_optimizer(alignment)
            copies += pipeline.rebound.is_contrasted(alignment.recipe)
            yield _fine_tuning("alignment", model, settings, run_sizes, kept=copies * len(run_sizes))


def _is_stored(pipeline: Pipeline, base: str) -> bool:
    """Whether other jobs measure the stages on a base model, from saved checkpoints."""
    return base in pipeline.requests.stored


def _weights(study: Study, checkpoints: int) -> tuple[int, int]:
    """The numbers of checkpoints of a stage that stay on disk and that are temporary."""
    return (checkpoints, 0) if study.keep_checkpoints else (0, checkpoints)


def _inverse_stages(pipeline: Pipeline) -> Iterator[Training]:
    study = pipeline.study
    for inverse, run_sizes in pipeline.rebound.inverse_jobs():
        model, settings = pipeline.study.origin(inverse.alignment.base), pipeline.study.recipe(inverse.recipe)
        score_model = (
            score_model_parameters(pipeline.study.tasks[inverse.alignment.task].score_model) if settings.draws else 0
        )
        saved = pipeline.realignment.started_from(inverse, run_sizes)
        every = study.keep_checkpoints or _is_stored(pipeline, inverse.alignment.base)
        kept, passing = _weights(study, len(run_sizes) if every else len(saved))
        yield _fine_tuning("inverse", model, settings, run_sizes, kept, passing, score_model)


def _realignment_stages(pipeline: Pipeline) -> Iterator[Work]:
    """Yield the jobs of realignment stages; the inverse run that each starts from stays on disk until it ends."""
    study = pipeline.study
    for stage, run_sizes in pipeline.realignment.jobs():
        start = stage.inverse.alignment
        model, settings = study.origin(start.base), study.recipe(stage.recipe)
        stored = _is_stored(pipeline, start.base)
        waiting = len(pipeline.realignment.inverse_run_sizes(stage)) if stored else 1
        yield _fine_tuning("realignment", model, settings, run_sizes, passing=waiting + stored * len(run_sizes))
        prompts = study.tasks[start.task].splits.prompts
        yield Drawing("realignment", model, prompts, len(run_sizes), study.sampling, jobs=int(stored))


def _joint(pipeline: Pipeline) -> Iterator[Training]:
    sizes = job_sizes.JobSizes(pipeline.study)
    for inverse, size in pipeline.springs.joint_runs():
        start = inverse.alignment
        where = {
            "base": start.base,
            "alignment_recipe": start.recipe,
            "inverse_recipe": inverse.recipe,
            "alignment_size": inverse.alignment_size,
        }
        job = sizes.joint(SimpleNamespace(**where, run_sizes=str(size)))
        updates = -(-job.examples // job.settings.batch_size)
        held = 1 if pipeline.study.keep_checkpoints or _is_stored(pipeline, start.base) else 0
        kept, passing = _weights(pipeline.study, held)
        yield Training(**vars(job), stage="joint training", updates=updates, kept=kept, passing=passing)


def _responses(pipeline: Pipeline) -> Iterator[Drawing]:
    study = pipeline.study
    prompts = {name: task.splits.prompts for name, task in study.tasks.items()}
    scored = [inverse.alignment for inverse in pipeline.rebound.scored]
    for task, base in sorted({(alignment.task, alignment.base) for alignment in scored}):
        yield Drawing("responses", study.origin(base), prompts[task] * study.base_draws, 1, study.sampling)
    for inverse, run_sizes in pipeline.rebound.inverse_jobs():
        if inverse in pipeline.rebound.scored:
            start = inverse.alignment
            model, jobs = study.origin(start.base), int(_is_stored(pipeline, start.base))
            yield Drawing("responses", model, prompts[start.task], len(run_sizes), study.sampling, jobs)


def _resistance(pipeline: Pipeline, stage: str, base: str, experiment: Resistance, makes: bool) -> Iterator[Work]:
    """Yield the jobs of one base model and seed. Slices stay on disk until all tunings have started from them.

    Unless ``makes`` is true, the experiment takes slices and responses from another one. Tuned models that other jobs
    measure stay on disk, too. The first tuning stands for what all tunings share: at most these models and the slices.
    """
    study, model, stored = pipeline.study, pipeline.study.origin(base), _is_stored(pipeline, base)
    part = study.tasks[experiment.task].splits.resistance
    questions = study.tasks[experiment.questions or experiment.task].splits.prompts
    if makes:
        yield _fine_tuning(stage, model, experiment.slices, (part, 2 * part, 3 * part), passing=3)
        yield Drawing(stage, model, part, 3, experiment.twin_sampling, jobs=int(stored))
        yield Drawing(stage, model, questions, 3, experiment.question_sampling, jobs=0)
    for path in PATHS:
        passing = 3 + (len(PATHS) if stored else 0) if path == PATHS[0] else 0
        yield _fine_tuning(stage, model, experiment.tuning, (experiment.tuned_on(part),), passing=passing)


def _fine_tuning(
    stage: str, model: str, settings: FineTuning, sizes: RunSizes, kept: int = 0, passing: int = 0, score_model: int = 0
) -> Training:
    examples, updates = sizes[-1] * settings.epochs, settings.updates(sizes[-1])
    if settings.extrapolates:  # a checkpoint is made of two others, and from all three on disk
        passing = max(passing, len(sizes) - kept) + 2 * len(sizes)
    job = (model, settings, settings.max_length, examples, score_model)
    return Training(*job, stage=stage, updates=updates, kept=kept, passing=passing)


def divisions(study: Study) -> Iterator[tuple[str, FineTuning, set[RunSizes]]]:
    """Yield each recipe of each stage, with the sets of sizes that are checkpoints of one run if it allows that."""
    pipeline = Pipeline(study)
    found: dict[tuple[str, str], set[RunSizes]] = {}
    for alignment, sizes in pipeline.rebound.alignment_sizes.items():
        found.setdefault(("alignment", alignment.recipe), set()).add(sizes)
    for inverse, sizes in pipeline.rebound.cells.items():
        found.setdefault(("inverse", inverse.recipe), set()).add(sizes)
    for stage, sizes in pipeline.realignment.cells.items():
        found.setdefault(("realignment", stage.recipe), set()).add(sizes)
    for (side, recipe), sets in sorted(found.items()):
        yield f"{side}, recipe {recipe}", study.recipe(recipe), sets


def how_divided(settings: FineTuning, sets: set[RunSizes]) -> str:
    """Say how sizes share runs, and the reason if they do not."""
    alone = [sizes for sizes in sets if not runs.is_exact(settings, sizes)]
    if not alone:
        return "the sizes are checkpoints of one run"
    return (
        f"each size is a run of its own (sizes {run_name(min(alone))}): a run needs a constant schedule, "
        f"one epoch, and sizes that are multiples of the batch size {settings.batch_size}, or last_batch: drop"
    )


_shape_of = cache(shape_of)


BYTES_PER_WEIGHT = 4
"""Bytes of a weight of a checkpoint, which is fp32."""


BYTES_PER_SOURCE_WEIGHT = 2
"""Bytes of a weight of a downloaded model: most models on the hub have 16-bit weights."""


BYTES_PER_STATE_WEIGHT = 24
"""Bytes per parameter of training states: weights and two moments, twice, since an old state is deleted last."""


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
        """Bytes of temporary files of a job; checkpoints that stay are the same files as in its state."""
        return self._shape(work.model).parameters * (BYTES_PER_WEIGHT * work.passing + BYTES_PER_STATE_WEIGHT)

    def _trained(self, work: Training) -> Stage:
        shape, geometry = self._shape(work.model), self._geometry(work)
        given = (shape, work.settings, work.examples, work.length, geometry, self.machine)
        seconds = training_s(*given) + rewarding_s(*given, work.score_model)
        return Stage(
            work.stage,
            jobs=1,
            examples=work.examples,
            updates=work.updates,
            trained_tokens=work.examples * passes(work.settings)[0] * work.length,
            drawn_tokens=work.examples * work.settings.draws,
            gpu_hours=seconds * geometry.processes / 3600,
            disk_bytes=work.kept * shape.parameters * BYTES_PER_WEIGHT,
        )

    def _drawn(self, work: Drawing) -> Stage:
        seconds = generation_s(self._shape(work.model), work.prompts, work.checkpoints, work.sampling, self.machine, 1)
        tokens = work.prompts * work.checkpoints * work.sampling.new_tokens
        return Stage(work.stage, jobs=work.jobs, drawn_tokens=tokens, gpu_hours=seconds / 3600)


CPU_CAUTION = 5
"""How much faster than the cautious rate of time limits a CPU core trains: 1e11 FLOP/s were measured in the middle."""


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


def cells(study: Study) -> int:
    """Number of cells (base model, side, recipes, seed, P, N) of all rebound experiments; shared ones count once."""
    return sum(len(inverse_sizes) for inverse_sizes in Pipeline(study).rebound.cells.values())


def report(study: Study) -> str:
    """The cost of a study as text with a table."""
    budget = Budget(study)
    machine, disk, stages = budget.machine, budget.disk(), budget.stages()
    models = len(needed_models(study))
    lines = [f"study {study.name}: {len(study.seeds)} seeds, {models} models, {cells(study)} cells"]
    lines += [f"  {name}: {how_divided(settings, sets)}" for name, settings, sets in divisions(study)]
    lines += table([_HEAD, *map(_row, [*stages, total(stages)])])
    if study.hardware.device == "cpu":
        lines.append(f"On CPUs training, and measuring leans, take about {core_hours(study):,.1f} core hours.")
    lines += [
        "Tokens are upper bounds: every example and every response is as long as it may be.",
        f"GPU hours are an estimate for {machine.gpu}: {GPU_SHARE:.0%} of its {peak_tflops(machine.gpu or '')} TFLOP/s "
        "in training; drawing reads fp32 weights at 1 TB/s for each token of a batch.",
        f"Peak disk: {_bytes(disk.peak)}: {_bytes(disk.kept)} stay, {_bytes(disk.sources)} are downloads, and jobs on "
        f"{disk.gpus} GPUs hold up to {_bytes(disk.passing)} of checkpoints and states for a time.",
        *_again(study, stages),
        "Scores, measurements, tables and figures are not counted.",
    ]
    return "\n".join(lines)


def _again(study: Study, stages: Iterable[Stage]) -> Iterator[str]:
    """Say what a changed measurement costs, and where models are measured from saved checkpoints instead."""
    measured = [stage for stage in stages if stage.name.startswith(("inverse", "realignment", "resistance"))]
    if measured:
        hours = sum(stage.gpu_hours for stage in measured)
        yield (
            f"A changed measurement, prompt or sampling setting trains the stages again that it measures: all of "
            f"{', '.join(stage.name for stage in measured)} take {hours:,.1f} GPU hours."
        )
    if stored := ResourceRequests(study).stored:
        yield (
            f"On {', '.join(stored)} stages are measured from saved checkpoints, by jobs of their own (engine "
            f"{study.engine}): a process has no room for the whole model beside the state of its training, or the "
            "engine is another one."
        )


def total(stages: Iterable[Stage]) -> Stage:
    """The sum of all stages."""
    return reduce(Stage.plus, stages, Stage("total"))


def _machine(hardware: Hardware) -> Hardware:
    if hardware.device == "cpu":
        return DEFAULT_MACHINE
    return hardware if hardware.gpu else hardware.model_copy(update={"gpu": DEFAULT_MACHINE.gpu})


_HEAD = ("stage", "jobs", "examples", "updates", "trained tokens", "drawn tokens", "GPU hours", "disk")


def _row(stage: Stage) -> tuple[str, ...]:
    counts = (stage.jobs, stage.examples, stage.updates, stage.trained_tokens, stage.drawn_tokens)
    hours = f"{stage.gpu_hours:,.0f}" if stage.gpu_hours >= 10 else f"{stage.gpu_hours:.2f}"
    return (stage.name, *(f"{count:,}" for count in counts), hours, _bytes(stage.disk_bytes))


def _bytes(count: int) -> str:
    """Bytes in a readable unit; units are powers of ten, as for disks."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e6:,.0f} MB"


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table whose first column is left-aligned and whose numbers are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        numbers = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *numbers])
