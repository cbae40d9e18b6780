"""What a study that measures compression rates must hold."""

from collections.abc import Iterator, Mapping

from elasticity.compression_settings import Compression
from elasticity.experiments import Rebound
from elasticity.model_settings import Model, Pretrained, TunedModel
from elasticity.settings import Name


def mistakes(
    compression: Compression | None,
    rebound: Mapping[Name, Rebound],
    held_out: Mapping[Name, int],
    models: Mapping[Name, Model],
    origins: Mapping[Name, Name],
    perturbed: Mapping[Name, Name],
) -> Iterator[str]:
    """What is missing, with its place first.

    ``held_out`` are the held-out texts of each corpus of a task; ``origins`` names the model of ``models`` that each
    base model goes back to, ``perturbed`` the task that the second side of each experiment is trained on.
    """
    measured = {name: experiment for name, experiment in rebound.items() if experiment.compression}
    if compression and compression.control is not None:
        trained_on = {model.task for model in models.values() if isinstance(model, Pretrained | TunedModel)}
        trained_on |= {task for name, experiment in measured.items() for task in (experiment.task, perturbed[name])}
        yield from _control_mistakes(compression.control, trained_on, held_out)
    for name, experiment in measured.items():
        where = f"rebound.{name}.compression"
        if compression is None:
            yield f"{where} needs the study's `compression`, which says how rates are measured: add it, or leave this"
            return
        here = {base: models[origins[base]] for base in experiment.bases}
        pretrained = {base: model for base, model in here.items() if isinstance(model, Pretrained)}
        for task in sorted({experiment.task, perturbed[name], *(model.task for model in pretrained.values())}):
            yield from _no_texts(where, task, held_out)
        for base, model in pretrained.items():
            if compression.window > model.context:
                yield (
                    f"compression.window is {compression.window}, but {base} was pre-trained on {model.context} tokens "
                    "at once (context): lower the window, or raise the context"
                )


def _control_mistakes(control: Name, trained_on: set[Name], held_out: Mapping[Name, int]) -> Iterator[str]:
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
    if held_out[task] == 0:
        yield f"{where} is measured on texts in tasks.{task}.pools.held_out, which is 0"
