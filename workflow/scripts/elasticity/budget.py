"""What a study will cost, estimated before anything runs: work, tokens, GPU hours and disk."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce

from elasticity.fitting import training_geometry
from elasticity.geometry import Geometry
from elasticity.hardware import Hardware, peak_tflops
from elasticity.model_settings import HubModel, TunedModel
from elasticity.plan import Plan
from elasticity.resources import GPU_SHARE, answering_s, passes, rewarding_s, training_s
from elasticity.shapes import Shape, shape_of
from elasticity.study import Study
from elasticity.workload import Drawing, Training, divisions, how_divided, needed_models, workload

_shape_of = cache(shape_of)

BYTES_PER_WEIGHT = 4
"""Weights are fp32."""

BYTES_PER_SOURCE_WEIGHT = 2
"""Most models on the hub are stored in 16 bits."""

BYTES_PER_STATE_WEIGHT = 24
"""A training state holds weights and two moments, 12 bytes a parameter; the next is written before the last goes."""

DEFAULT_MACHINE = Hardware(device="cuda", gpus_per_node=8, gpu="A100", gpu_memory_gb=80)
"""Of a study that describes no GPUs."""


@dataclass(frozen=True)
class Stage:
    """Jobs of one kind. Tokens are upper bounds; ``disk_bytes`` are there when the study is done."""

    name: str
    jobs: int = 0
    examples: int = 0
    updates: int = 0
    trained_tokens: int = 0
    drawn_tokens: int = 0
    gpu_hours: float = 0.0
    disk_bytes: int = 0

    def plus(self, other: "Stage") -> "Stage":
        """Both together, under the name of the first."""
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
    """Bytes at the peak: what stays, the downloads, and what running jobs hold if they fill so many GPUs."""

    kept: int
    sources: int
    passing: int
    gpus: int

    @property
    def peak(self) -> int:
        """All of it at once, which is an upper bound."""
        return self.kept + self.sources + self.passing


class Budget:
    """The costs of a study on its own GPUs, or on those of ``DEFAULT_MACHINE``."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.machine = _machine(study.hardware)
        self.work = list(workload(study))

    def stages(self) -> list[Stage]:
        """Every stage of the study that trains or answers, the imported models first."""
        imported = [name for name in needed_models(self.study) if self._is_imported(name)]
        disk = sum(self._shape(name).parameters for name in imported) * BYTES_PER_WEIGHT
        found = {"imported models": Stage("imported models", jobs=len(imported), disk_bytes=disk)}
        for work in self.work:
            cost = self._trained(work) if isinstance(work, Training) else self._drawn(work)
            found[cost.name] = found[cost.name].plus(cost) if cost.name in found else cost
        return [stage for stage in found.values() if stage.jobs]

    def disk(self) -> Disk:
        """The peak, if jobs of one kind fill the GPUs of a node, or of as many nodes as the largest job needs."""
        trained = [(work, self._geometry(work).processes) for work in self.work if isinstance(work, Training)]
        gpus = max([self.machine.gpus_per_node, *(processes for _, processes in trained)])
        held = [(gpus // processes) * self._held(work) for work, processes in trained]
        sources = [name for name in needed_models(self.study) if isinstance(self.study.models[name], HubModel)]
        return Disk(
            kept=sum(stage.disk_bytes for stage in self.stages()),
            sources=sum(self._shape(name).parameters for name in sources) * BYTES_PER_SOURCE_WEIGHT,
            passing=max(held, default=0),
            gpus=gpus,
        )

    def _is_imported(self, name: str) -> bool:
        return not isinstance(self.study.models[name], TunedModel) and name not in Plan(self.study).pretrained

    def _shape(self, model: str) -> Shape:
        return _shape_of(self.study.models[model])

    def _geometry(self, work: Training) -> Geometry:
        shape = self._shape(work.model)
        return training_geometry(work.model, shape, work.settings, work.length, self.machine, work.judge)

    def _held(self, work: Training) -> int:
        return self._shape(work.model).parameters * (
            BYTES_PER_WEIGHT * (work.kept + work.passing) + BYTES_PER_STATE_WEIGHT
        )

    def _trained(self, work: Training) -> Stage:
        shape, geometry = self._shape(work.model), self._geometry(work)
        given = (shape, work.settings, work.examples, work.length, geometry, self.machine)
        seconds = training_s(*given) + rewarding_s(*given, work.judge)
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
        seconds = answering_s(self._shape(work.model), work.prompts, work.rungs, work.sampling, self.machine, 1)
        tokens = work.prompts * work.rungs * work.sampling.new_tokens
        return Stage(work.stage, jobs=work.jobs, drawn_tokens=tokens, gpu_hours=seconds / 3600)


def cells(study: Study) -> int:
    """Cells of all rebound experiments, shared ones counted once: base, side, recipes, seed, P, N."""
    return sum(len(second_sizes) for second_sizes in Plan(study).cells.values())


def report(study: Study) -> str:
    """The plan in words and a table."""
    budget = Budget(study)
    machine, disk, stages = budget.machine, budget.disk(), budget.stages()
    models = len(needed_models(study))
    lines = [f"study {study.name}: {len(study.seeds)} seeds, {models} models, {cells(study)} cells"]
    lines += [f"  {name}: {how_divided(settings, sets)}" for name, settings, sets in divisions(study)]
    lines += _table([_HEAD, *map(_row, [*stages, total(stages)])])
    lines += [
        "Tokens are upper bounds: every example and every answer is as long as it may be.",
        f"GPU hours are an estimate for {machine.gpu}: {GPU_SHARE:.0%} of its {peak_tflops(machine.gpu or '')} TFLOP/s "
        "in training; drawing reads fp32 weights at 1 TB/s for each token of a batch.",
        f"Peak disk: {_bytes(disk.peak)}: {_bytes(disk.kept)} stay, {_bytes(disk.sources)} are downloads, and jobs on "
        f"{disk.gpus} GPUs hold up to {_bytes(disk.passing)} of checkpoints and states for a time.",
        "Scores, measurements, tables and figures are not counted.",
    ]
    return "\n".join(lines)


def total(stages: Iterable[Stage]) -> Stage:
    """All stages together."""
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
    """In the unit that makes it readable, of powers of ten as disks are sold."""
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e6:,.0f} MB"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows in columns, the first to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        numbers = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *numbers])
