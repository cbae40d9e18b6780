"""The work of a study: every job that trains a model or draws from one, before anything runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

from elasticity import job_sizes, ladders
from elasticity.experiments import Resistance
from elasticity.ladders import Ladder
from elasticity.model_settings import Pretrained, TunedModel
from elasticity.plan import Plan
from elasticity.resistance_plan import PATHS, ResistancePlan
from elasticity.score_settings import judge_parameters
from elasticity.settings import FineTuning, Sampling
from elasticity.springs_plan import SpringsPlan
from elasticity.study import Study
from elasticity.third_plan import ThirdPlan


@dataclass(frozen=True, kw_only=True)
class Training(job_sizes.Training):
    """One job that trains, in its stage.

    ``kept`` counts the checkpoints that stay, ``passing`` those that are on disk for a time, the ones beside it that
    wait for the same reader included.
    """

    stage: str
    updates: int
    kept: int = 0
    passing: int = 0


@dataclass(frozen=True)
class Drawing:
    """Answers to so many prompts by each of so many checkpoints; ``jobs`` is 0 where they are part of a training."""

    stage: str
    model: str
    prompts: int
    rungs: int
    sampling: Sampling
    jobs: int = 1


Work = Training | Drawing


def workload(study: Study) -> Iterator[Work]:
    """All of it, stage by stage."""
    yield from _models(study)
    plan = Plan(study)
    yield from _first_sides(plan)
    yield from _second_sides(plan)
    yield from _answers(plan)
    yield from _third_stages(plan)
    yield from _joint(plan)
    for name, experiment in study.resistance.items():
        for base in experiment.bases:
            makes = ResistancePlan(study).maker(name, base) == name
            for _ in study.seeds:
                yield from _resistance(study, f"resistance {name}", study.origin(base), experiment, makes)


def needed_models(study: Study) -> list[str]:
    """The models that any experiment needs, and those that they are made from."""
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


def _first_sides(plan: Plan) -> Iterator[Training]:
    for trajectory in plan.first_sizes:
        model, settings = plan.study.origin(trajectory.base), plan.study.recipe(trajectory.recipe)
        for ladder in plan.first_ladders(trajectory):
            # An optimizer's state is two moments, the size of the weights each.
            kept = len(ladder) * (3 if plan.keeps_optimizer(trajectory) else 1)
            yield _fine_tuning("first side", model, settings, ladder, kept=kept)


def _second_sides(plan: Plan) -> Iterator[Training]:
    for second, ladder in plan.second_side_jobs():
        model, settings = plan.study.origin(second.trajectory.base), plan.study.recipe(second.recipe)
        judge = judge_parameters(plan.study.tasks[second.trajectory.task].score_model) if settings.draws else 0
        yield _fine_tuning("second side", model, settings, ladder, passing=len(ladder), judge=judge)


def _third_stages(plan: Plan) -> Iterator[Work]:
    """The second side that each starts from waits until its end."""
    study, third = plan.study, ThirdPlan(plan)
    for stage, ladder in third.third_stage_jobs():
        start = stage.second.trajectory
        model, settings = study.origin(start.base), study.recipe(stage.recipe)
        waiting = len(third.second_ladder(stage))
        yield _fine_tuning("third stage", model, settings, ladder, passing=len(ladder) + waiting)
        yield Drawing("third stage", model, study.tasks[start.task].pools.prompts, len(ladder), study.sampling)


def _joint(plan: Plan) -> Iterator[Training]:
    sizes = job_sizes.JobSizes(plan.study)
    for second, size in SpringsPlan(plan).joint_runs():
        start = second.trajectory
        where = {"base": start.base, "recipe": start.recipe, "second": second.recipe, "first": second.first_size}
        job = sizes.joint(SimpleNamespace(**where, ladder=str(size)))
        updates = -(-job.examples // job.settings.batch_size)
        yield Training(**vars(job), stage="joint training", updates=updates, passing=1)


def _answers(plan: Plan) -> Iterator[Drawing]:
    study = plan.study
    prompts = {name: task.pools.prompts for name, task in study.tasks.items() if plan.is_scored(name)}
    for task, base in sorted({(t.task, t.base) for t in plan.first_sizes if t.task in prompts}):
        yield Drawing("answers", study.origin(base), prompts[task], 1, study.sampling)
    for second, ladder in plan.second_side_jobs():
        if (start := second.trajectory).task in prompts:
            yield Drawing("answers", study.origin(start.base), prompts[start.task], len(ladder), study.sampling)


def _resistance(study: Study, stage: str, model: str, experiment: Resistance, makes: bool) -> Iterator[Work]:
    """One base model and seed. Its slices and tuned models wait for each other until they are measured.

    Unless it ``makes`` slices and answers, it takes those of another experiment.
    """
    part = study.tasks[experiment.task].pools.resistance
    questions = study.tasks[experiment.questions or experiment.task].pools.prompts
    if makes:
        yield _fine_tuning(stage, model, experiment.slices, (part, 2 * part, 3 * part), passing=3)
        yield Drawing(stage, model, part, 3, experiment.twin_sampling)
        yield Drawing(stage, model, questions, 3, experiment.question_sampling, jobs=0)
    for _ in PATHS:
        yield _fine_tuning(stage, model, experiment.tuning, (experiment.tuned_on(part),), passing=3 + len(PATHS))


def _fine_tuning(
    stage: str, model: str, settings: FineTuning, sizes: Ladder, kept: int = 0, passing: int = 0, judge: int = 0
) -> Training:
    examples, updates = sizes[-1] * settings.epochs, settings.updates(sizes[-1])
    parts = 2 * len(sizes) if settings.extrapolation else 0  # the two models that a rung is made of
    job = (model, settings, settings.max_length, examples, judge)
    return Training(*job, stage=stage, updates=updates, kept=kept, passing=passing + parts)


def divisions(study: Study) -> Iterator[tuple[str, FineTuning, set[Ladder]]]:
    """For each recipe and side, the sets of sizes that could be checkpoints of one run, if the recipe allows it."""
    plan = Plan(study)
    found: dict[tuple[str, str], set[Ladder]] = {}
    for trajectory, sizes in plan.first_sizes.items():
        found.setdefault(("first side", trajectory.recipe), set()).add(sizes)
    for second, sizes in plan.cells.items():
        found.setdefault(("second side", second.recipe), set()).add(sizes)
    for stage, sizes in ThirdPlan(plan).cells.items():
        found.setdefault(("third stage", stage.recipe), set()).add(sizes)
    for (side, recipe), sets in sorted(found.items()):
        yield f"{side}, recipe {recipe}", study.recipe(recipe), sets


def how_divided(settings: FineTuning, sets: set[Ladder]) -> str:
    """How sizes share runs, and why if they do not."""
    alone = [sizes for sizes in sets if not ladders.is_exact(settings, sizes)]
    if not alone:
        return "the sizes are checkpoints of one run"
    return (
        f"each size is a run of its own (sizes {ladders.name(min(alone))}): a ladder needs a constant schedule, "
        f"one epoch, and sizes that are multiples of the batch size {settings.batch_size}"
    )
