"""Checks of claims, compression rates and joint training against the experiments of a study."""

from collections.abc import Callable, Collection, Iterator, Mapping

from elasticity.config.base import Name
from elasticity.config.claims import Claim
from elasticity.config.compression import Compression
from elasticity.config.decide import Decide
from elasticity.config.experiments import Rebound, Resistance
from elasticity.config.measures import MEASURES
from elasticity.config.models import Model, Pretrained, TunedModel
from elasticity.config.token_tree import TokenTrees, task_and_split
from elasticity.config.training import FineTuning

Experiments = Mapping[Name, Rebound] | Mapping[Name, Resistance]
"""The experiments of one kind, by name."""


SAME = {"rebound": ("task", "inverse_sizes"), "resistance": ()}
"""Keys that must be equal in an experiment and its control: they determine the prompts and N."""


PAIRED = {"rebound": ("bases", "alignment_sizes"), "resistance": ("bases",)}
"""Keys that must be equally long in an experiment and its control, whose cells are compared in order."""


def claim_mistakes(
    claims: Mapping[Name, Claim],
    rebound: Mapping[Name, Rebound],
    resistance: Mapping[Name, Resistance],
    seeds: Collection[int],
    scored: Collection[Name],
) -> Iterator[str]:
    """Yield the claims that cannot be tested, each with its key first.

    ``scored`` are the tasks that have a score model. Fewer seeds than a claim asks for are not a mistake; its verdict
    is then undecided.
    """
    for name, claim in claims.items():
        where, kind = f"claims.{name}", claim.kind
        experiments, others = (rebound, resistance) if kind == "rebound" else (resistance, rebound)
        yield from _unknown(where, claim, experiments, others)
        if kind == "rebound":
            for experiment in claim.experiments:
                yield from _unmeasured(where, claim.measure, experiment, rebound[experiment], scored)
                limit = rebound[experiment].max_seeds
                if limit and limit < claim.seeds:
                    yield (
                        f"{where}.seeds is {claim.seeds}, but rebound.{experiment}.max_seeds is {limit}, so that the "
                        "claim would never be decided: raise the one or lower the other"
                    )
        if claim.over == "sizes":
            if claim.entry.between_sizes or kind == "resistance":
                yield f"{where}.over: {claim.measure} is not measured for a single P; use value, bases or control"
            elif len(rebound[claim.experiment].alignment_sizes) < 2:
                yield f"{where}.over: sizes compares sizes P, but rebound.{claim.experiment}.alignment_sizes holds one"
        if claim.over == "bases" and len(experiments[claim.experiment].bases) < 2:
            yield f"{where}.over: bases compares base models, but {kind}.{claim.experiment}.bases holds one"
        yield from _claim_control_mistakes(where, claim, experiments)
        for seed in claim.exclusions:
            if seed not in seeds:
                known = ", ".join(map(str, seeds))
                yield f"{where}.exclusions: {seed} is not a seed of this study; its seeds: {known}"


def _unknown(where: str, claim: Claim, experiments: Experiments, others: Experiments) -> Iterator[str]:
    """Yield a mistake if the experiment or the control does not exist, or is not of the kind of the measure."""
    for key, name in (("experiment", claim.experiment), ("control", claim.control)):
        if name is None or name in experiments:
            continue
        if name in others:
            fitting = ", ".join(name for name in MEASURES.names() if MEASURES[name].kind != claim.kind)
            yield (
                f"{where}.measure: {claim.measure} is a measure of {claim.kind} experiments, and {where}.{key} "
                f"{name!r} is none; measures of this experiment: {fitting}"
            )
        declared = ", ".join(sorted(experiments)) or "none"
        yield f"{where}.{key}: {name!r} is no {claim.kind} experiment of this study; declared: {declared}"


def _unmeasured(where: str, measure: str, name: Name, experiment: Rebound, scored: Collection[Name]) -> Iterator[str]:
    """Yield a mistake if a rebound experiment lacks the cells from which the measure is computed."""
    if MEASURES[measure].outcome == "lean":
        if not experiment.lean:
            yield f"{where}.measure: {measure} needs rebound.{name}.lean: true"
    elif experiment.task not in scored:
        yield f"{where}: rebound.{name} has no scores to measure: tasks.{experiment.task} has no score_model"
    elif not experiment.scores:
        yield f"{where}: rebound.{name} has no scores to measure: its `scores` are false"
    if MEASURES[measure].from_zero and experiment.inverse_sizes[0] != 0:
        yield f"{where}.measure: {measure} needs 0 among rebound.{name}.inverse_sizes"
    least = MEASURES[measure].least_sizes
    if len(experiment.inverse_sizes) < least:
        yield (
            f"{where}.measure: {measure} needs at least {least} sizes N, but rebound.{name}.inverse_sizes holds "
            f"{len(experiment.inverse_sizes)}"
        )
    if MEASURES[measure].between_sizes and len(experiment.alignment_sizes) < 2:
        yield f"{where}.measure: {measure} compares sizes P, but rebound.{name}.alignment_sizes holds one"


def _claim_control_mistakes(where: str, claim: Claim, experiments: Experiments) -> Iterator[str]:
    """Yield a mistake if a control is missing, superfluous, or not comparable with the experiment."""
    if claim.over != "control":
        if claim.control is not None:
            yield f"{where}.control is given, but over is {claim.over}: set over: control, or leave the control out"
        return
    if claim.control is None:
        yield f"{where}.control is missing: name the experiment that over: control subtracts"
        return
    if claim.control == claim.experiment:
        yield f"{where}.control: {claim.control} is the experiment itself; name another experiment"
    for key in (*SAME[claim.kind], *PAIRED[claim.kind]):
        own, other = (getattr(experiments[name], key) for name in (claim.experiment, claim.control))
        same = key in SAME[claim.kind]
        if own != other if same else len(own) != len(other):
            yield (
                f"{where}.control: cells cannot be paired: {claim.kind}.{claim.experiment}.{key} is {_shown(own)}, "
                f"but {claim.kind}.{claim.control}.{key} is {_shown(other)}: they must be "
                f"{'equal' if same else 'equally long'}; declare an experiment for the comparison, cells that "
                "experiments share are trained once"
            )


def decide_mistakes(decide: Decide | None, seeds: Collection[int]) -> Iterator[str]:
    """Yield a mistake if the number of seeds is none after which a look is planned."""
    if decide and len(seeds) not in decide.looks:
        yield (
            f"decide: the study has {len(seeds)} seeds, but looks are planned after "
            f"{', '.join(map(str, decide.looks))}: decide.start is the number of `seeds`, and decide.at_most no less"
        )


def _shown(value: object) -> str:
    """Return a value as YAML writes it."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def compression_mistakes(
    compression: Compression | None,
    rebound: Mapping[Name, Rebound],
    held_out: Mapping[Name, int],
    models: Mapping[Name, Model],
    origins: Mapping[Name, Name],
    perturbed: Mapping[Name, Name],
) -> Iterator[str]:
    """Yield what the measurement of compression rates lacks, each with its key first.

    ``held_out`` is the number of held-out texts of each corpus by task. ``origins`` maps each base model to the model
    in ``models`` from which it descends, ``perturbed`` each experiment to the task of its inverse stage.
    """
    measured = {name: experiment for name, experiment in rebound.items() if experiment.compression}
    if compression and compression.control is not None:
        trained_on = {model.task for model in models.values() if isinstance(model, Pretrained | TunedModel)}
        trained_on |= {task for name, experiment in measured.items() for task in (experiment.task, perturbed[name])}
        yield from _control_mistakes(compression.control, trained_on, held_out)
    for name, experiment in measured.items():
        where = f"rebound.{name}.compression"
        if compression is None:
            yield f"{where} needs the section `compression` of the study: add it, or set this to false"
            return
        here = {base: models[origins[base]] for base in experiment.bases}
        pretrained = {base: model for base, model in here.items() if isinstance(model, Pretrained)}
        for task in sorted({experiment.task, perturbed[name], *(model.task for model in pretrained.values())}):
            yield from _no_texts(where, task, held_out)
        for base, model in pretrained.items():
            if compression.window > model.context:
                yield (
                    f"compression.window is {compression.window}, but the context of {base} is {model.context} tokens: "
                    "lower the window, or raise the context"
                )


def _control_mistakes(control: Name, trained_on: set[Name], held_out: Mapping[Name, int]) -> Iterator[str]:
    """Yield a mistake if the control task does not exist, has no held-out texts, or is trained on."""
    if control not in held_out:
        known = ", ".join(sorted(held_out))
        yield f"compression.control: {control!r} is not declared; declared: {known}"
    yield from _no_texts("compression.control", control, held_out)
    if control in trained_on:
        others = ", ".join(sorted(set(held_out) - trained_on)) or "none: add one, or leave the control out"
        yield (
            f"compression.control: models are trained on {control}, so it controls nothing; tasks that no model is "
            f"trained on: {others}"
        )


def _no_texts(where: str, task: str, held_out: Mapping[Name, int]) -> Iterator[str]:
    """Yield a mistake if a task has no held-out texts."""
    if held_out[task] == 0:
        yield f"{where} is measured on texts in tasks.{task}.splits.held_out, which is 0"


def joint_mistakes(
    rebound: Mapping[Name, Rebound],
    pretrained: Collection[Name],
    recipe: Callable[[Name], FineTuning],
) -> Iterator[str]:
    """Yield why an experiment cannot be trained jointly, each with its key first.

    ``pretrained`` are the models at the end of pre-training in the workflow; ``recipe`` returns a recipe by its name.
    """
    for name, experiment in rebound.items():
        if not experiment.joint:
            continue
        where = f"rebound.{name}.joint"
        if not experiment.compression:
            yield f"{where}: joint models are measured by compression rates only: set compression: true"
        if experiment.inverse_sizes[0] != 0 or len(experiment.inverse_sizes) == 1:
            yield f"{where} compares models with and without the inverse stage: inverse_sizes must be 0 and more"
        for base in experiment.bases:
            if base not in pretrained:
                known = ", ".join(sorted(pretrained)) or "none"
                yield (
                    f"{where}: {base} is not at the end of a pre-training run of this study, so its pre-training texts "
                    f"and schedule are not known; base models that are: {known}"
                )
        for stage in ("alignment", "inverse"):
            settings = recipe(getattr(experiment, f"{stage}_recipe"))
            if settings.algorithm.kind != "sft" or settings.epochs != 1 or settings.lora or settings.alone:
                yield (
                    f"{where} trains all weights on every text once, as pre-training does: {stage}_recipe must be sft "
                    "with one epoch, without lora, optimizer: carried or weights: bf16"
                )


def token_tree_mistakes(
    trees: TokenTrees | None, splits: Mapping[Name, Collection[str]], models: Collection[Name]
) -> Iterator[str]:
    """Yield the corpora and the tokenizer of token trees that a study does not have, each with its key first.

    ``splits`` are the splits of each task that are not empty; ``models`` have a tokenizer of their own.
    """
    if trees is None:
        return
    for name, union in trees.unions.items():
        for role, texts in union:
            task, split = task_and_split(texts)
            where = f"token_tree.unions.{name}.{role}: {texts!r}"
            if task not in splits:
                yield f"{where} names no task of this study; declared: {', '.join(sorted(splits))}"
            elif split not in splits[task]:
                yield f"{where} names no split of {task} that has examples; those that have: {', '.join(splits[task])}"
    if trees.tokenizer is not None and trees.tokenizer not in models:
        known = ", ".join(sorted(models)) or "none"
        yield (
            f"token_tree.tokenizer: {trees.tokenizer!r} is no model with a tokenizer of its own; models that have one: "
            f"{known}; leave the tokenizer out to use bytes"
        )
