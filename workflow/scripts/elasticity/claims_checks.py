"""What a claim must fit: the experiments of its study."""

from collections.abc import Collection, Iterator, Mapping

from elasticity.claims import BETWEEN_SIZES, FROM_ZERO, MEASURES, Claim
from elasticity.experiments import Rebound, Resistance
from elasticity.settings import Name

Experiments = Mapping[Name, Rebound] | Mapping[Name, Resistance]

SAME = {"rebound": ("task", "second_sizes"), "resistance": ()}
"""What an experiment and its control have in common: the prompts, and N, which measures depend on."""

PAIRED = {"rebound": ("bases", "first_sizes"), "resistance": ("bases",)}
"""What they have as many of, compared in order: a control may be another base model, or start from another P."""


def mistakes(
    claims: Mapping[Name, Claim],
    rebound: Mapping[Name, Rebound],
    resistance: Mapping[Name, Resistance],
    seeds: Collection[int],
    scored: Collection[Name],
) -> Iterator[str]:
    """Claims that cannot be judged, with their places first. ``scored`` holds the tasks that have a score model.

    Fewer seeds than a claim asks for are no mistake: the verdict then says so.
    """
    for name, claim in claims.items():
        where, kind = f"claims.{name}", claim.kind
        experiments, others = (rebound, resistance) if kind == "rebound" else (resistance, rebound)
        yield from _unknown(where, claim, experiments, others)
        if kind == "rebound":
            for experiment in claim.experiments:
                yield from _unmeasured(where, claim.measure, experiment, rebound[experiment], scored)
        if claim.over == "sizes":
            if claim.measure in BETWEEN_SIZES or kind == "resistance":
                yield f"{where}.over: {claim.measure} has no single P to compare; use value, bases or control"
            elif len(rebound[claim.experiment].first_sizes) < 2:
                yield f"{where}.over: sizes compares sizes P, but rebound.{claim.experiment}.first_sizes holds one"
        if claim.over == "bases" and len(experiments[claim.experiment].bases) < 2:
            yield f"{where}.over: bases compares base models, but {kind}.{claim.experiment}.bases holds one"
        yield from _control_mistakes(where, claim, experiments)
        for seed in claim.exclusions:
            if seed not in seeds:
                known = ", ".join(map(str, seeds))
                yield f"{where}.exclusions: {seed} is not a seed of this study; its seeds: {known}"


def _unknown(where: str, claim: Claim, experiments: Experiments, others: Experiments) -> Iterator[str]:
    """The experiment and the control are there, and are of the kind that the measure is of."""
    for key, name in (("experiment", claim.experiment), ("control", claim.control)):
        if name is None or name in experiments:
            continue
        if name in others:
            fitting = ", ".join(measure for measure, (kind, _) in MEASURES.items() if kind != claim.kind)
            yield (
                f"{where}.measure: {claim.measure} is measured of {claim.kind} experiments, and {where}.{key} {name!r} "
                f"is none; what can be measured of it: {fitting}"
            )
        declared = ", ".join(sorted(experiments)) or "none"
        yield f"{where}.{key}: {name!r} is no {claim.kind} experiment of this study; declared: {declared}"


def _unmeasured(where: str, measure: str, name: Name, experiment: Rebound, scored: Collection[Name]) -> Iterator[str]:
    """The measure has the cells that it is computed from."""
    if experiment.task not in scored:
        yield f"{where}: rebound.{name} has no scores to measure: tasks.{experiment.task} has no score_model"
    if measure in FROM_ZERO and experiment.second_sizes[0] != 0:
        yield f"{where}.measure: {measure} needs 0 among rebound.{name}.second_sizes"
    if measure in BETWEEN_SIZES and len(experiment.first_sizes) < 2:
        yield f"{where}.measure: {measure} compares sizes P, but rebound.{name}.first_sizes holds one"


def _control_mistakes(where: str, claim: Claim, experiments: Experiments) -> Iterator[str]:
    if claim.over != "control":
        if claim.control is not None:
            yield f"{where}.control is given, but over is {claim.over}: set over: control, or leave the control out"
        return
    if claim.control is None:
        yield f"{where}.control is missing: name the experiment that over: control subtracts"
        return
    if claim.control == claim.experiment:
        yield f"{where}.control: is {claim.experiment} itself; name another experiment"
    for key in (*SAME[claim.kind], *PAIRED[claim.kind]):
        own, other = (getattr(experiments[name], key) for name in (claim.experiment, claim.control))
        same = key in SAME[claim.kind]
        if own != other if same else len(own) != len(other):
            yield (
                f"{where}.control: cells cannot be paired: {claim.kind}.{claim.experiment}.{key} is {_shown(own)}, "
                f"but {claim.kind}.{claim.control}.{key} is {_shown(other)}: these must be "
                f"{'equal' if same else 'equally many'}; cells that experiments share are trained once"
            )


def _shown(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
