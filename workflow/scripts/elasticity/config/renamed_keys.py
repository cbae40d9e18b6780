"""Keys of a study that have been renamed. A study that uses old ones gets one error that lists them all."""

from collections.abc import Iterator, Mapping
from typing import Any

from elasticity.core.errors import UserError

TOP_LEVEL = {"first_side": "alignment", "second_side": "inverse"}
"""Renamed sections of a study."""


TASK = {"pools": "splits"}
"""Renamed keys of a task."""


FIELDS = {"answer": "response"}
"""Renamed keys of ``fields`` in a data source."""


REBOUND = {
    "first_sizes": "alignment_sizes",
    "second_sizes": "inverse_sizes",
    "third_sizes": "realignment_sizes",
    "first_recipe": "alignment_recipe",
    "second_recipe": "inverse_recipe",
    "third_recipe": "realignment_recipe",
    "usefulness": "text_statistics",
    "printed": "published",
}
"""Renamed keys of a rebound experiment. ``first_side`` is replaced by ``direction``."""


RESISTANCE = {"printed": "published"}
"""Renamed keys of a resistance experiment."""


RECIPES = {"first": "alignment", "second": "inverse"}
"""Renamed values of the recipe keys of a rebound experiment."""


RECIPE_KEYS = tuple(key for names in REBOUND.items() for key in names if key.endswith("_recipe"))
"""Old and new keys whose values are names of recipes."""


def check_renamed_keys(values: Mapping[str, Any], where: str) -> None:
    """Raise ``UserError`` with every renamed key of a study, its place and its new name, if there are any.

    ``values`` is the study as YAML gives it, not validated yet; ``where`` names it in the message.
    """
    found = list(_renamed(values))
    if found:
        lines = "\n".join(f"  - {place}: {advice}" for place, advice in found)
        raise UserError(
            f"{where} uses keys of an earlier version:\n{lines}\nRename them and run the same command again."
        )


def _renamed(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the place of each renamed key, and what to do."""
    yield from _keys("", values, TOP_LEVEL)
    for place, task in _sections(values, "tasks"):
        yield from _keys(f"{place}.", task, TASK)
        yield from _fields(f"{place}.source", task.get("source"))
    # a recipe that the study itself declares under an old name keeps its name
    declared = values.get("recipes")
    recipes = {old: new for old, new in RECIPES.items() if not (isinstance(declared, Mapping) and old in declared)}
    for place, experiment in _sections(values, "rebound"):
        yield from _keys(f"{place}.", experiment, REBOUND)
        if "first_side" in experiment:
            yield f"{place}.first_side", _direction(experiment["first_side"])
        for key in RECIPE_KEYS:
            name = experiment.get(key)
            if isinstance(name, str) and name in recipes:
                yield f"{place}.{key}", f"the recipe {name} is now named {recipes[name]}"
    for place, experiment in _sections(values, "resistance"):
        yield from _keys(f"{place}.", experiment, RESISTANCE)


def _sections(values: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place and the keys of each entry of a section that maps names to sections."""
    section = values.get(name)
    if isinstance(section, Mapping):
        for entry, keys in section.items():
            if isinstance(keys, Mapping):
                yield f"{name}.{entry}", keys


def _fields(place: str, source: object) -> Iterator[tuple[str, str]]:
    """Yield the renamed keys of the ``fields`` of a source, or of each of its two sources."""
    if not isinstance(source, Mapping):
        return
    if isinstance(fields := source.get("fields"), Mapping):
        yield from _keys(f"{place}.fields.", fields, FIELDS)
    for side in ("positive", "negative"):
        yield from _fields(f"{place}.{side}", source.get(side))


def _keys(prefix: str, keys: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for old, new in names.items():
        if old in keys:
            yield f"{prefix}{old}", f"is now named {new}"


def _direction(side: object) -> str:
    """Return what replaces ``first_side`` in a rebound experiment."""
    if side == "negative":
        return "write direction: reversed instead of first_side: negative"
    return "leave it out: the alignment stage is on positive examples unless direction is reversed"
