"""What an experiment that trains on all corpora at once must be."""

from collections.abc import Callable, Collection, Iterator, Mapping

from elasticity.experiments import Rebound
from elasticity.settings import FineTuning, Name


def mistakes(
    rebound: Mapping[Name, Rebound],
    pretrained: Collection[Name],
    recipe: Callable[[Name], FineTuning],
) -> Iterator[str]:
    """What cannot be trained jointly, with its place first.

    ``pretrained`` holds the bases that are at the end of pre-training in the workflow; ``recipe`` finds a way of
    fine-tuning by its name.
    """
    for name, experiment in rebound.items():
        if not experiment.joint:
            continue
        where = f"rebound.{name}.joint"
        if not experiment.compression:
            yield f"{where}: joint models are measured by their compression rates only: set compression: true"
        if experiment.second_sizes[0] != 0 or len(experiment.second_sizes) == 1:
            yield f"{where} compares models with and without the second side: second_sizes must be 0 and more"
        for base in experiment.bases:
            if base not in pretrained:
                known = ", ".join(sorted(pretrained)) or "none"
                yield (
                    f"{where}: {base} is not at the end of a pre-training run of this study, so there are no corpora "
                    f"and no schedule to train it on at once; bases that are: {known}"
                )
        for stage in ("first", "second"):
            settings = recipe(getattr(experiment, f"{stage}_recipe"))
            if settings.algorithm.kind != "sft" or settings.epochs != 1 or settings.lora or settings.alone:
                yield (
                    f"{where} sees every text once and fits it with all weights, as pre-training does: {stage}_recipe "
                    "must be sft with one epoch, without lora, optimizer: carried or weights: bf16"
                )
