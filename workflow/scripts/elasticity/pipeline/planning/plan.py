"""The plan of a study as text: what it will cost, and what its claims can detect."""

from collections.abc import Iterable, Iterator, Sequence

from elasticity.analysis.power import POWER
from elasticity.config.hardware import peak_tflops
from elasticity.config.study import Study
from elasticity.pipeline.planning import power
from elasticity.pipeline.planning.budget import Budget, Stage, core_hours, total
from elasticity.pipeline.planning.workload import cells, divisions, how_divided, needed_models
from elasticity.pipeline.reporting.noise import check_noise
from elasticity.pipeline.requests.resource_requests import ResourceRequests
from elasticity.resources.estimates import GPU_SHARE


def plan(study: Study) -> str:
    """What a study resolves to, what it will cost, and what its claims can detect."""
    return "\n".join([*cost_lines(study), *power_lines(study)])


def cost_lines(study: Study) -> Iterator[str]:
    """Yield lines with the cost of a study, a table among them."""
    budget = Budget(study)
    machine, disk, stages = budget.machine, budget.disk(), budget.stages()
    models = len(needed_models(study))
    yield f"study {study.name}: {len(study.seeds)} seeds, {models} models, {cells(study)} cells"
    yield from (f"  {name}: {how_divided(settings, sets)}" for name, settings, sets in divisions(study))
    yield from _table([_HEAD, *map(_row, [*stages, total(stages)])])
    if study.hardware.device == "cpu":
        yield f"On CPUs training, and measuring leans, take about {core_hours(study):,.1f} core hours."
    yield "Tokens are upper bounds: every example and every response is as long as it may be."
    yield (
        f"GPU hours are an estimate for {machine.gpu}: {GPU_SHARE:.0%} of its {peak_tflops(machine.gpu or '')} TFLOP/s "
        "in training; drawing reads fp32 weights at 1 TB/s for each token of a batch."
    )
    yield (
        f"Peak disk: {_bytes(disk.peak)}: {_bytes(disk.kept)} stay, {_bytes(disk.sources)} are downloads, and jobs on "
        f"{disk.gpus} GPUs hold up to {_bytes(disk.passing)} of checkpoints and states for a time."
    )
    yield from _again(study, stages)
    yield "Scores, measurements, tables and figures are not counted."


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


def power_lines(study: Study) -> Iterator[str]:
    """Yield lines with what each claim can detect; none for a study without claims.

    Raises ``UserError`` if the table of noise that the study names does not exist.
    """
    if not study.claims:
        return
    check_noise(study)
    named = f"study {study.noise}" if study.noise else "the default study (workflow/noise.csv)"
    yield f"What the claims can detect with {POWER:.0%} power, with the noise between seeds of {named}:"
    yield from (f"  {line.rstrip()}" for line in _table([power.HEAD, *power.rows(study)]))
    if study.decide:
        yield (
            f"  These are numbers for a single test. Claims are tested after {', '.join(map(str, study.looks))} seeds, "
            "which costs power; the calibration has the rates with all looks."
        )


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


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table whose first column is left-aligned and whose numbers are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        numbers = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *numbers])
