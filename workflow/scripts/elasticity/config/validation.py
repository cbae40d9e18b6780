"""Checks of a study across its sections, which types alone cannot express."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain

from elasticity.config.base import Name, Side
from elasticity.config.data import Beginnings, Questions
from elasticity.config.experiments import OTHER_ORDER, PLANTED, Rebound, Resistance, inverse_data
from elasticity.config.models import Pretrained, TunedModel
from elasticity.config.sampling import Sampling
from elasticity.config.score_models import SnippetClassifier
from elasticity.config.splits import layout, split_mistakes
from elasticity.config.study import RESERVED, Study, Task, checkpoints
from elasticity.config.training import FineTuning, chooses
from elasticity.config.validation_analyses import (
    claim_mistakes,
    compression_mistakes,
    decide_mistakes,
    joint_mistakes,
    token_tree_mistakes,
)


def mistakes(study: Study) -> Iterator[str]:
    """Yield mistakes, each as one line with the key, the value and what is allowed.

    Use the first one only: later checks assume that earlier ones passed, and may raise if they did not.
    """
    return chain(_task_mistakes(study), _model_mistakes(study), _experiment_mistakes(study))


def _task_mistakes(study: Study) -> Iterator[str]:
    for name, task in study.tasks.items():
        if name in RESERVED:
            yield f"tasks.{name}: this name is reserved for a folder of the results; reserved: {', '.join(RESERVED)}"
        yield from (f"tasks.{name}.{mistake}" for mistake in split_mistakes(task.source, task.splits, task.prompts))
        if isinstance(task.prompts, Beginnings):
            yield from _unknown(f"tasks.{name}.prompts.tokenizer", task.prompts.tokenizer, study.models)
        if isinstance(task.score_model, SnippetClassifier) and task.splits.score_model == 0:
            yield f"tasks.{name}.score_model is trained on texts in tasks.{name}.splits.score_model, which is 0"


def _model_mistakes(study: Study) -> Iterator[str]:
    for name, model in study.models.items():
        if isinstance(model, Pretrained):
            if taken := [other for other in study.models if other in checkpoints(name, model)]:
                yield f"models.{taken[0]}: this is the name of a checkpoint of {name}; choose another name"
            yield from _unknown(f"models.{name}.task", model.task, study.tasks)
            if study.tasks[model.task].splits.pretraining == 0:
                yield f"models.{name} needs texts in tasks.{model.task}.splits.pretraining, which is 0"
            for side in model.mixture.shares if model.mixture else ():
                if side not in (sides := study.tasks[model.task].splits.sides):
                    yield (
                        f"models.{name}.mixture: {side} is none of tasks.{model.task}.splits.sides, of which "
                        f"pre-training texts are taken: {', '.join(sides)}"
                    )
        if isinstance(model, TunedModel):
            yield from _unknown(f"models.{name}.base", model.base, study.bases)
            yield from _unknown(f"models.{name}.task", model.task, study.tasks)
            yield from _missing_examples(study, f"models.{name}", model.task, model.side, model.examples)
            yield from _not_sft(f"models.{name}.tuning", model.tuning)
            yield from _not_chosen(f"models.{name}.tuning", model.tuning)
            yield from _not_enough_updates(f"models.{name}.examples", model.tuning, [model.examples])
            yield from _no_room(study, f"models.{name}.tuning", model.task, model.tuning)
            if name in _ancestors(study, name):
                yield f"models.{name}.base: {name} would be fine-tuned from itself; choose another base"


def _ancestors(study: Study, name: str) -> list[str]:
    """Return the models from which a model is fine-tuned, nearest first; ends when one appears twice."""
    found: list[str] = []
    while isinstance(model := study.models[name], TunedModel) and name not in found[:-1]:
        name = study.bases[model.base][0]
        found.append(name)
    return found


def _experiment_mistakes(study: Study) -> Iterator[str]:
    for name in ("alignment", "inverse"):
        if name in study.recipes:
            yield f"recipes.{name}: this is the name of the recipe in the section `{name}`; choose another name"
    yield from _sampling_mistakes(study, "sampling", study.sampling)
    for name, rebound in study.rebound.items():
        yield from _rebound_mistakes(study, f"rebound.{name}", rebound)
    for name, resistance in study.resistance.items():
        yield from _resistance_mistakes(study, f"resistance.{name}", resistance)
    held_out = {name: task.splits.held_out for name, task in study.tasks.items()}
    origins = {base: study.origin(base) for base in study.bases}
    texts = {name: study.inverse_data(rebound).task for name, rebound in study.rebound.items()}
    yield from compression_mistakes(study.compression, study.rebound, held_out, study.models, origins, texts)
    yield from decide_mistakes(study.decide, study.seeds)
    if study.noise == study.name:
        yield f"noise: {study.noise} is this study; name one that is finished"
    yield from _lean_mistakes(study)
    tested = (it for it in study.rebound.values() if it.inverse_sizes[-1] > 0 and (it.lean or it.scores))
    if study.calibration and not (any(tested) or study.resistance):
        yield (
            "calibration: is for the tests of resistance experiments, and of rebound experiments with scores or leans "
            "and an N above 0, but there are none: leave it out"
        )
    splits = {
        name: [split for split, take in layout(task.splits, task.prompts).items() if take.shares]
        for name, task in study.tasks.items()
    }
    own = [name for name, model in study.models.items() if not isinstance(model, TunedModel)]
    yield from token_tree_mistakes(study.token_tree, splits, own)
    finished = [name for name, model in study.models.items() if isinstance(model, Pretrained)]
    yield from joint_mistakes(study.rebound, finished, study.recipe)
    scored = [name for name, task in study.tasks.items() if task.score_model]
    yield from claim_mistakes(study.claims, study.rebound, study.resistance, study.seeds, scored)


def _rebound_mistakes(study: Study, where: str, rebound: Rebound) -> Iterator[str]:
    yield from _unknown_parts(study, where, rebound)
    known = {"alignment", "inverse", *study.recipes}
    stages: tuple[str, ...] = ("alignment", "inverse", "realignment")
    for stage in stages:
        yield from _unknown(f"{where}.{stage}_recipe", getattr(rebound, f"{stage}_recipe"), known)
    stages = stages if rebound.realignment_sizes else stages[:2]
    for stage in stages[1:]:
        yield from _not_chosen(f"{where}.{stage}_recipe", study.recipe(getattr(rebound, f"{stage}_recipe")))
    yield from _nothing_to_choose_by(study, where, rebound)
    for stage in stages[::2]:
        yield from _not_sft(f"{where}.{stage}_recipe", study.recipe(getattr(rebound, f"{stage}_recipe")))
    yield from carried_mistakes(where, *(study.recipe(getattr(rebound, f"{stage}_recipe")) for stage in stages[:2]))
    if rebound.realignment_sizes and rebound.inverse_sizes[-1] == 0:
        yield f"{where}.realignment_sizes: realignment begins at the largest of inverse_sizes, which must not be 0"
    if rebound.published and not (rebound.divergence and rebound.inverse_sizes[0] == 0):
        yield f"{where}.published compares divergences: it needs divergence: true, and 0 among inverse_sizes"
    if rebound.divergence and study.sampling.contrast:
        yield (
            f"{where}.divergence is measured on responses that are sampled from one model, but sampling.contrast "
            "samples from two: leave one of them out"
        )
    yield from score_mistakes(where, rebound, study.tasks[rebound.task], study.recipe(rebound.inverse_recipe))
    yield from data_mistakes(where, rebound, study.recipe(rebound.inverse_recipe), study.tasks)
    yield from planted_mistakes(where, rebound, study.seeds)
    data = study.inverse_data(rebound)
    for stage, task in zip(stages, (rebound.task, data.task, rebound.task), strict=False):
        settings, sizes = study.recipe(getattr(rebound, f"{stage}_recipe")), getattr(rebound, f"{stage}_sizes")
        yield from _not_enough_updates(f"{where}.{stage}_sizes", settings, sizes)
        yield from _no_room(study, f"{where}.{stage}_recipe", task, settings)
    first, second = rebound.alignment_sizes[-1] + max(rebound.realignment_sizes, default=0), rebound.inverse_sizes[-1]
    second *= rebound.treatment(rebound.alignment_sizes[-1]).inverse_factor
    algorithm = study.recipe(rebound.inverse_recipe).algorithm
    if algorithm.compares_sides:
        first = max(first, second)
        if rebound.realignment_sizes:
            yield (
                f"{where}.realignment_sizes: the realignment stage needs examples that no stage has seen, but "
                f"{algorithm.kind} uses those of the alignment side as rejected ones: use sft for the inverse "
                "stage, or leave the sizes out"
            )
    yield from _missing_examples(study, where, rebound.task, rebound.alignment_side, first)
    if data.continues:
        where, second = f"{where}, alignment and inverse stages together,", first + second
    yield from _missing_examples(study, where, data.task, data.side, second)


def _lean_mistakes(study: Study) -> Iterator[str]:
    """Yield the experiments that measure the lean without texts of its own for each seed."""
    for name, rebound in study.rebound.items():
        task = study.tasks[rebound.task]
        if not rebound.lean:
            continue
        where = f"tasks.{rebound.task}.splits.lean is {task.splits.lean}"
        if task.splits.lean < task.lean_texts:
            yield f"rebound.{name}.lean: {where}, but each seed takes {task.lean_texts} (lean_texts): raise the split"
        blocks: dict[int, int] = {}
        for seed in study.seeds:
            other = blocks.setdefault(task.lean_block(seed), seed)
            if other != seed:
                yield (
                    f"rebound.{name}.lean: {where}, which gives each of {task.splits.lean // task.lean_texts} seeds "
                    f"{task.lean_texts} texts (lean_texts), and seeds {other} and {seed} would have the same: number "
                    "seeds in sequence, raise the split, or lower lean_texts"
                )


def _resistance_mistakes(study: Study, where: str, resistance: Resistance) -> Iterator[str]:
    yield from _unknown_parts(study, where, resistance)
    for key in ("twin_sampling", "question_sampling"):
        yield from _sampling_mistakes(study, f"{where}.{key}", getattr(resistance, key))
        if getattr(resistance, key).contrast:
            yield f"{where}.{key}.contrast: responses of a slice must be sampled from it alone: leave contrast out"
    questions = resistance.questions or resistance.task
    yield from _unknown(f"{where}.questions", questions, study.tasks)
    if study.tasks[questions].splits.prompts == 0:
        yield f"{where} needs texts in tasks.{questions}.splits.prompts, which is 0"
    part = study.tasks[resistance.task].splits.resistance
    if part == 0:
        yield f"{where} needs tasks.{resistance.task}.splits.resistance, which is 0"
    slices = resistance.slices
    yield from _no_room(study, f"{where}.slices", resistance.task, slices)
    for task in dict.fromkeys((resistance.task, questions)):  # measured responses are cut to this length, too
        yield from _no_room(study, f"{where}.tuning", task, resistance.tuning, to_prompts=True)
    if slices.schedule != "constant" or slices.epochs != 1 or part % slices.batch_size:
        yield (
            f"{where}.slices: slices are checkpoints of one run, which needs a constant schedule, one epoch, and a "
            f"batch_size ({slices.batch_size}) that divides splits.resistance ({part})"
        )
    yield from _not_enough_updates(f"{where}.tuning", resistance.tuning, [resistance.tuned_on(part)])
    for key in ("slices", "tuning"):
        yield from _not_sft(f"{where}.{key}", getattr(resistance, key))
        yield from _not_chosen(f"{where}.{key}", getattr(resistance, key))


def _no_room(study: Study, where: str, task: str, settings: FineTuning, to_prompts: bool = False) -> Iterator[str]:
    """Yield a mistake if the longest prompt leaves no room for a response within ``max_length``.

    Training examples have prompts if the task's prompts are questions. ``to_prompts``: prompts are always counted,
    because the responses are to held-out prompts.
    """
    prompts, drawn = study.tasks[task].prompts, settings.algorithm.drawn_tokens
    longest, response = 1 + study.tasks[task].prompt_tokens, drawn or 1
    has_prompts = to_prompts or isinstance(prompts, Questions) or drawn > 0
    if has_prompts and settings.max_length < longest + response:
        yield (
            f"{where}.max_length is {settings.max_length}, but a prompt of tasks.{task} takes up to {longest} tokens "
            f"(prompts.max_tokens + 1) and a response {response} or more: raise max_length to {longest + response}, or "
            "shorten prompts or responses"
        )


def _missing_examples(study: Study, where: str, task: str, side: Side, wanted: int) -> Iterator[str]:
    """Yield a mistake if the split of a side has fewer examples than wanted."""
    available = getattr(study.tasks[task].splits, side)
    if wanted > available:
        yield (
            f"{where} needs {wanted} {side} texts, but tasks.{task}.splits.{side} holds {available}: reduce the size "
            "or enlarge the split"
        )


def _sampling_mistakes(study: Study, where: str, sampling: Sampling) -> Iterator[str]:
    """Yield the mistakes in a section of sampling settings."""
    # vLLM silently raises lower temperatures to 0.01 and rejects higher ones than 2
    if study.engine == "vllm" and not 0.01 <= sampling.temperature <= 2:
        yield (
            f"{where}.temperature is {sampling.temperature}, but vLLM samples at temperatures from 0.01 to 2: change "
            "it, or use engine: transformers"
        )
    if study.engine == "vllm" and sampling.contrast:
        yield f"{where}.contrast needs the logits of two models, which vLLM does not give: use engine: transformers"


def _unknown_parts(study: Study, where: str, experiment: Rebound | Resistance) -> Iterator[str]:
    """Yield a mistake for a task or base model that is not declared, or named twice."""
    yield from _unknown(f"{where}.task", experiment.task, study.tasks)
    for base in experiment.bases:
        yield from _unknown(f"{where}.bases", base, study.bases)
    if len(set(experiment.bases)) < len(experiment.bases):
        yield f"{where}.bases names a model twice"


def carried_mistakes(where: str, first: FineTuning, second: FineTuning) -> Iterator[str]:
    """Yield why ``optimizer: carried`` is impossible after an alignment stage by the recipe ``first``.

    The carried moments must belong to the weights that the inverse stage, by the recipe ``second``, trains.
    """
    if second.optimizer == "fresh":
        return
    for name, settings in (("alignment_recipe", first), ("inverse_recipe", second)):
        if settings.lora:
            yield (
                f"{where}.{name}: optimizer: carried goes on with the moments of all weights, but lora trains "
                "adapters, which are new in each stage: leave one of them out"
            )
    if first.extrapolates:
        yield (
            f"{where}.alignment_recipe: optimizer: carried needs the weights that its moments belong to, but "
            "extrapolation moves them after the alignment stage: leave one of them out"
        )


def score_mistakes(where: str, rebound: Rebound, task: Task, inverse: FineTuning) -> Iterator[str]:
    """Yield what an experiment lacks to score responses, or asks for that needs scores.

    Without scores, no responses are sampled, and only compression rates and the lean are measured.
    """
    if task.score_model and rebound.scores:
        if task.splits.prompts == 0:
            yield f"{where} needs texts in tasks.{rebound.task}.splits.prompts, which is 0"
        return
    no_model = f"tasks.{rebound.task}.score_model, which is not given"
    missing = f"{where}.scores, which is false" if task.score_model else no_model
    if not (rebound.compression or rebound.lean):
        yield (
            f"{where} needs {missing}; without scores it can only measure compression rates (compression: true) and "
            "the lean (lean: true)"
        )
    if rebound.divergence:
        yield f"{where}.divergence is measured on the responses that are scored: it needs {missing}"
    if rebound.realignment_sizes:
        yield f"{where}.realignment_sizes: the realignment stage is measured by scores: it needs {missing}"
    if rebound.text_statistics:
        yield f"{where}.text_statistics are measured on the responses that are scored: they need {missing}"
    if inverse.draws and not task.score_model:
        yield f"{where}.inverse_recipe: {inverse.algorithm.kind} takes its reward from {no_model}"


def planted_mistakes(where: str, rebound: Rebound, seeds: Iterable[int]) -> Iterator[str]:
    """Yield why an effect cannot be planted in an experiment, or why it is not seen from the name that one is."""
    named = where.removeprefix("rebound.").startswith(PLANTED)
    if named != (rebound.planted is not None):
        yield (
            f"{where}: an experiment with `planted` must have a name that begins with {PLANTED}, and no other may: "
            "figures, tables and verdicts show the name"
        )
    if rebound.planted is None:
        return
    if len(rebound.alignment_sizes) < 2:
        yield f"{where}.planted compares sizes P, but alignment_sizes holds one"
    for key in ("realignment_sizes", "joint", "published"):
        if getattr(rebound, key):
            yield f"{where}.{key} cannot be combined with planted: leave one of them out"
    if max(seeds) >= OTHER_ORDER:
        yield f"seeds: {max(seeds)} is too large for {where}.planted, which takes seeds from {OTHER_ORDER} on itself"


KINDS = {True: "have prompts", False: "are texts without prompts"}
"""What messages say of examples with and without prompts."""


def data_mistakes(where: str, rebound: Rebound, recipe: FineTuning, tasks: Mapping[Name, Task]) -> Iterator[str]:
    """Yield why the inverse stage of an experiment cannot be trained on the data that ``recipe`` names."""
    data = inverse_data(recipe, rebound.task, rebound.alignment_side)
    where, of = f"{where}.inverse_recipe", f"{rebound.inverse_recipe} takes data of {data.task}"
    if data.task not in tasks:
        yield f"{where}: {of}, which is not declared; declared: {', '.join(sorted(tasks))}"
    own, other = tasks[rebound.task], tasks[data.task]
    if own.source.has_prompts != other.source.has_prompts:
        yield (
            f"{where}: {of}, which {KINDS[other.source.has_prompts]}, but those of {rebound.task} "
            f"{KINDS[own.source.has_prompts]}: name a task whose examples are of the same kind"
        )
    if own.template != other.template:
        yield (
            f"{where}: {of}, whose template is {other.template}, but that of {rebound.task} is {own.template}: give "
            "both tasks the same template"
        )


def misplaced(where: str, settings: FineTuning) -> Iterator[str]:
    """Yield a mistake if a recipe has ``data`` where it is not the recipe of an inverse stage."""
    if settings.data:
        yield (
            f"{where}: data is for the inverse stages of rebound experiments only: leave it out, or use another recipe "
            "here"
        )


def _unknown(where: str, name: str, known: Collection[str]) -> Iterator[str]:
    """Yield a mistake if a name is not declared."""
    if name not in known:
        yield f"{where}: {name!r} is not declared; declared: {', '.join(sorted(known))}"


def _not_enough_updates(where: str, settings: FineTuning, sizes: Iterable[int]) -> Iterator[str]:
    """Yield a mistake for each size of a run that is too small to extrapolate."""
    for size in sizes:
        if not settings.can_extrapolate(size):
            yield (
                f"{where}: {size} examples in {settings.epochs} epochs make one update with batch_size "
                f"{settings.batch_size}, so there are no earlier weights to extrapolate from: raise the size, or lower "
                "batch_size"
            )


def _not_chosen(where: str, settings: FineTuning) -> Iterator[str]:
    """Yield a mistake if a recipe leaves a choice to the run, which only alignment stages make."""
    if len(settings.extrapolations) > 1:
        yield (
            f"{where}.extrapolation: {len(settings.extrapolations)} candidates, of which only the runs of an alignment "
            "stage choose one: give one number here"
        )


def _nothing_to_choose_by(study: Study, where: str, rebound: Rebound) -> Iterator[str]:
    """Yield a mistake if the runs of an alignment stage have to choose, but the task has no validation examples."""
    settings = study.recipe(rebound.alignment_recipe)
    if chooses(settings, study.sampling.contrast) and not study.tasks[rebound.task].splits.validation:
        yield (
            f"{where}.alignment_recipe: extrapolation or sampling.contrast.strength has several candidates, which are "
            f"compared by validation examples, but tasks.{rebound.task}.splits.validation is 0: set it, or give one "
            "number"
        )


def _not_sft(where: str, settings: FineTuning) -> Iterator[str]:
    """Yield what is allowed in the recipe of an inverse stage only."""
    if settings.algorithm.kind != "sft":
        yield f"{where}: {settings.algorithm.kind} is an algorithm for inverse stages only: use sft here"
    yield from misplaced(where, settings)
    if settings.optimizer == "carried":
        yield f"{where}: optimizer: carried continues an alignment stage and is for inverse stages only: use fresh here"
