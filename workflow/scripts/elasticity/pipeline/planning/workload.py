"""The workload of a study: its jobs that train models or generate responses."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

from elasticity.config.experiments import Resistance
from elasticity.config.models import Pretrained, TunedModel
from elasticity.config.sampling import Sampling
from elasticity.config.score_models import score_model_parameters
from elasticity.config.study import Study
from elasticity.config.training import FineTuning
from elasticity.core.run_names import run_name
from elasticity.pipeline import runs
from elasticity.pipeline.requests import job_sizes
from elasticity.pipeline.resistance import PATHS
from elasticity.pipeline.runs import RunSizes
from elasticity.pipeline.study_pipeline import Pipeline


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
        kept = len(run_sizes) if study.keep_checkpoints else 0
        passing = waiting + (stored and not kept) * len(run_sizes)
        yield _fine_tuning("realignment", model, settings, run_sizes, kept, passing)
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
        yield _fine_tuning(stage, model, experiment.slices, (part, 2 * part, 3 * part), *_weights(study, 3))
        yield Drawing(stage, model, part, 3, experiment.twin_sampling, jobs=int(stored))
        yield Drawing(stage, model, questions, 3, experiment.question_sampling, jobs=0)
    kept, waiting = _weights(study, len(PATHS) if stored or study.keep_checkpoints else 0)
    for path in PATHS:
        passing = 3 + waiting if path == PATHS[0] else 0
        yield _fine_tuning(stage, model, experiment.tuning, (experiment.tuned_on(part),), kept // len(PATHS), passing)


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


def cells(study: Study) -> int:
    """Number of cells (base model, side, recipes, seed, P, N) of all rebound experiments; shared ones count once."""
    return sum(len(inverse_sizes) for inverse_sizes in Pipeline(study).rebound.cells.values())
