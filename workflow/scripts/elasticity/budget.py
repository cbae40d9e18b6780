"""What a study will cost, counted before anything runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from elasticity import ladders
from elasticity.ladders import Ladder
from elasticity.plan import Plan
from elasticity.resistance_plan import PATHS
from elasticity.settings import FineTuning
from elasticity.shapes import shape_of
from elasticity.study import Pretrained, Study

BYTES_PER_WEIGHT = 4
"""Weights are fp32."""


@dataclass(frozen=True)
class Stage:
    """Jobs of one kind. Tokens are upper bounds; disk is what is there when the study is done."""

    name: str
    jobs: int = 0
    examples: int = 0
    updates: int = 0
    generated_tokens: int = 0
    disk_bytes: int = 0


def stages(study: Study) -> list[Stage]:
    """Every stage of a study that trains or answers."""
    plan = Plan(study)
    sizes = {base: shape_of(study.models[model]).parameters for base, (model, _) in study.bases.items()}
    rebound = [*_rebound(study, plan, sizes)] if study.rebound else []
    return [_pretraining(study, sizes), *rebound, *_resistance(study)]


def cells(study: Study) -> int:
    """Cells of all rebound experiments, shared ones counted once: base, side, seed, P, N."""
    return sum(len(second) for sizes in Plan(study).cells.values() for second in sizes.values())


def report(study: Study) -> str:
    """The plan in words and a table."""
    lines = [f"study {study.name}: {len(study.seeds)} seeds, {len(study.bases)} base models, {cells(study)} cells"]
    lines += [f"  {stage}: {_how(settings, sizes)}" for stage, settings, sizes in _divided(study)]
    counted = [*stages(study), _total(stages(study))]
    lines += _table([("stage", "jobs", "examples", "updates", "answer tokens", "disk"), *map(_row, counted)])
    lines.append("Answer tokens are an upper bound. Tables, figures and small jobs are not counted.")
    return "\n".join(lines)


def _divided(study: Study) -> Iterator[tuple[str, FineTuning, set[Ladder]]]:
    cells = Plan(study).cells
    yield "first side", study.first_side, {tuple(sorted(sizes)) for sizes in cells.values()}
    yield "second side", study.second_side, {second for sizes in cells.values() for second in sizes.values()}


def _how(settings: FineTuning, sizes: set[Ladder]) -> str:
    """How sizes share runs, and why if they do not."""
    alone = [ladder for ladder in sizes if not ladders.is_exact(settings, ladder)]
    if not alone:
        return "the sizes of a trajectory are checkpoints of one run"
    return (
        f"each size is a run of its own (sizes {ladders.name(min(alone))}): a ladder needs a constant schedule, "
        f"one epoch, and sizes that are multiples of the batch size {settings.batch_size}"
    )


def _pretraining(study: Study, sizes: dict[str, int]) -> Stage:
    models = [model for model in study.models.values() if isinstance(model, Pretrained)]
    return Stage(
        "pre-training",
        jobs=len(models),
        examples=sum(model.updates * model.optimization.batch_size for model in models),
        updates=sum(model.updates for model in models),
        disk_bytes=sum(sizes.values()) * BYTES_PER_WEIGHT,
    )


def _rebound(study: Study, plan: Plan, sizes: dict[str, int]) -> Iterator[Stage]:
    first = [(t, ladder) for t in plan.cells for ladder in plan.first_ladders(t)]
    second = [ladder for _, _, ladder in plan.second_side_jobs()]
    kept = sum(sizes[t.base] * len(ladder) for t, ladder in first) * BYTES_PER_WEIGHT
    yield _trained("first side", study.first_side, [ladder for _, ladder in first], kept)
    yield _trained("second side", study.second_side, second, 0)
    prompts = {name: task.pools.prompts for name, task in study.tasks.items()}
    answered = sum(len(ladder) * prompts[t.task] for t, _, ladder in plan.second_side_jobs())
    yield Stage("answers", jobs=len(second), generated_tokens=answered * study.sampling.new_tokens)


def _trained(name: str, settings: FineTuning, jobs: Sequence[Ladder], disk_bytes: int) -> Stage:
    examples = [ladder[-1] * settings.epochs for ladder in jobs]
    updates = sum(settings.updates(ladder[-1]) for ladder in jobs)
    return Stage(name, jobs=len(jobs), examples=sum(examples), updates=updates, disk_bytes=disk_bytes)


def _resistance(study: Study) -> Iterator[Stage]:
    for name, experiment in study.resistance.items():
        pools = study.tasks[experiment.task].pools
        runs = len(experiment.bases) * len(study.seeds)
        slices = _trained("", experiment.slices, [(3 * pools.resistance,)] * runs, 0)
        tuned = _trained("", experiment.tuning, [(pools.resistance,)] * runs * len(PATHS), 0)
        twins = pools.resistance * experiment.twin_sampling.new_tokens
        questions = pools.prompts * experiment.question_sampling.new_tokens
        yield Stage(
            f"resistance {name}",
            jobs=slices.jobs + tuned.jobs + 2 * runs,
            examples=slices.examples + tuned.examples,
            updates=slices.updates + tuned.updates,
            generated_tokens=3 * runs * (twins + questions),
        )


def _total(parts: list[Stage]) -> Stage:
    return Stage(
        "total",
        jobs=sum(part.jobs for part in parts),
        examples=sum(part.examples for part in parts),
        updates=sum(part.updates for part in parts),
        generated_tokens=sum(part.generated_tokens for part in parts),
        disk_bytes=sum(part.disk_bytes for part in parts),
    )


def _row(stage: Stage) -> tuple[str, ...]:
    counts = (stage.jobs, stage.examples, stage.updates, stage.generated_tokens)
    return (stage.name, *(f"{count:,}" for count in counts), f"{stage.disk_bytes / 1e6:,.0f} MB")


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows in columns, the first to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        numbers = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *numbers])
