"""The measures of experiments: one number for each training seed, which claims, tables and figures refer to by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from elasticity.core.registry import Registry

if TYPE_CHECKING:
    from elasticity.analysis.measures.inputs import Floats

Kind = Literal["rebound", "resistance"]
"""The kinds of experiments that measures are computed from."""


Outcome = Literal["score", "lean"]
"""What rebound measures are computed from: scores of responses, or leans in bits per byte."""


@dataclass(frozen=True)
class Measure:
    """A measure and what else is known about it.

    ``compute`` takes ``Curves`` if ``kind`` is ``"rebound"`` and ``Directions`` if it is ``"resistance"`` (both in
    ``elasticity.analysis.measures.inputs``). It returns an array, or a pair of arrays with a lower and an upper bound.
    A measure with ``parts`` has no ``compute``: a claim about it holds only if it holds for each of its parts.
    ``needs`` names the checks (``elasticity.config.checks``) that have to hold before a claim about it is tested.
    """

    name: str
    kind: Kind
    unit: str
    title: str
    axis: str
    between_sizes: bool
    from_zero: bool
    per_prompt: bool
    parts: tuple[str, ...]
    compute: Callable[[Any], Any] | None
    needs: tuple[str, ...] = ()
    outcome: Outcome = "score"
    least_sizes: int = 1

    @property
    def place(self) -> tuple[str, int, str, int]:
        """The key that sorts computed measures: by kind, then in the order in which their modules define them."""
        assert self.compute is not None, f"{self.name} is made of parts, which are sorted instead"
        outcome = get_args(Outcome).index(self.outcome)
        return self.kind, outcome, self.compute.__module__, self.compute.__code__.co_firstlineno


MEASURES: Registry[Measure] = Registry("measure", "elasticity.analysis.measures")
"""All measures, by the names that claims use."""


def measure(
    name: str,
    *,
    kind: Kind,
    unit: str,
    title: str,
    axis: str | None = None,
    between_sizes: bool = False,
    from_zero: bool = False,
    per_prompt: bool = False,
    needs: tuple[str, ...] = (),
    outcome: Outcome = "score",
    least_sizes: int = 1,
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Decorator that registers a measure under ``name``.

    ``unit`` is the unit of its values and of the margin of a claim. ``title`` is the title of its panel in the figure
    of measures, and ``axis`` the label of the vertical axis there (default: ``unit``). A rebound measure is
    ``between_sizes`` if it compares the largest with the smallest P, so that it has one value for all P; ``from_zero``
    if it needs the model before the inverse stage, N = 0; and ``per_prompt`` if each prompt has a value of its own,
    which ``analysis.verdicts.prompt_measures`` must then compute. ``least_sizes`` is the number of sizes N that it
    needs. ``needs`` names the checks that must hold, and ``outcome`` says what its ``Curves`` hold.
    """

    def add(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
        entry = Measure(
            name,
            kind,
            unit,
            title,
            axis or unit,
            between_sizes,
            from_zero,
            per_prompt,
            (),
            compute,
            needs,
            outcome,
            least_sizes,
        )
        MEASURES.register(name, compute.__module__)(entry)
        return compute

    return add


def joint_measure(
    name: str,
    module: str,
    *,
    kind: Kind,
    unit: str,
    title: str,
    parts: tuple[str, ...],
    between_sizes: bool = False,
    from_zero: bool = False,
    needs: tuple[str, ...] = (),
) -> None:
    """Register a measure that is claimed by claiming each of its ``parts``; ``module`` is the module that calls this.

    Its panel in the figure of measures shows all of its parts. The other parameters are those of ``measure``.
    """
    entry = Measure(name, kind, unit, title, unit, between_sizes, from_zero, False, parts, None, needs)
    MEASURES.register(name, module)(entry)


NEEDED_OF_LEANS = {"moved": "lean-moved", "every-size-moved": "lean-every-size-moved"}
"""The checks of a lean in place of those of a score; the other checks are about score models and responses."""


def lean_measure(name: str, module: str) -> None:
    """Register the measure ``lean-NAME``: the rebound measure ``name``, computed from leans in place of scores.

    Scores and leans are oriented alike, so only the unit differs. ``module`` is the module that calls this.
    """
    entry = MEASURES[name]
    found = replace(
        entry,
        name=f"lean-{name}",
        title=f"lean, {entry.title}",
        unit=entry.unit.replace("score", "bits per byte"),
        axis=entry.axis.replace("score", "bits per byte"),
        parts=tuple(f"lean-{part}" for part in entry.parts),
        per_prompt=False,
        needs=tuple(NEEDED_OF_LEANS[need] for need in entry.needs if need in NEEDED_OF_LEANS),
        outcome="lean",
    )
    MEASURES.register(found.name, module)(found)


def computed(kind: Kind) -> tuple[Measure, ...]:
    """The measures that are computed from a kind of experiment, in the order of tables and figures."""
    found = [MEASURES[name] for name in MEASURES.names()]
    return tuple(sorted((it for it in found if it.kind == kind and it.compute), key=lambda it: it.place))


def measure_modules() -> tuple[str, ...]:
    """The modules that define measures: part of the code digest of every job that looks measures up."""
    return tuple(sorted({MEASURES.module(name) for name in MEASURES.names()}))


def values_of(entry: Measure, inputs: Any) -> "tuple[Floats, Floats]":
    """The lower and upper bounds of a computed measure, which are the same array where its values are known."""
    assert entry.compute is not None, f"{entry.name} is made of parts, which are computed instead"
    found = entry.compute(inputs)
    return found if isinstance(found, tuple) else (found, found)
