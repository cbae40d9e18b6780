"""Helpers of the tests of the graph."""

from types import SimpleNamespace


def wildcards(**changes: object) -> SimpleNamespace:
    """The wildcards of an inverse run of the unit tests' study with changes; values are text, as in Snakemake."""
    given = {"task": "reviews", "base": "nano", "side": "positive", "seed": 1, "experiment": "existence"}
    given |= {"alignment_recipe": "alignment", "inverse_recipe": "inverse"} | changes
    return SimpleNamespace(**{name: str(value) for name, value in given.items()})
