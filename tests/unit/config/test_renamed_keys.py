"""A study with keys of an earlier version gets one error that names each of them and its new name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticity.config.loading import read_study
from elasticity.config.renamed_keys import REBOUND, check_renamed_keys
from tests.unit.conftest import complaint

Values = dict[str, Any]


def renamed(values: Values, names: Mapping[str, str]) -> Values:
    """The same keys, with old names in place of new ones."""
    old = {new: old for old, new in names.items()}
    return {old.get(key, key): value for key, value in values.items()}


@pytest.fixture
def old(values: Values) -> Values:
    """A study that uses every key of the earlier version."""
    task = values["tasks"]["reviews"]
    task["source"]["fields"] = {"answer": "text"}
    values["tasks"]["reviews"] = renamed(task, {"pools": "splits"})
    values["tasks"]["mixed"] = {
        "source": {
            "kind": "sides",
            "positive": {"kind": "movie-reviews"},
            "negative": {"kind": "file", "path": "n.csv", "fields": {"answer": "body"}},
        },
        "pools": {},
    }
    existence = values["rebound"]["existence"] | {
        "alignment_recipe": "first",
        "inverse_recipe": "second",
        "realignment_sizes": [4],
        "realignment_recipe": "mine",
        "text_statistics": True,
        "published": True,
        "first_side": "negative",
    }
    values["rebound"]["existence"] = renamed(existence, REBOUND)
    values["rebound"]["pretraining"]["first_side"] = "positive"
    values["resistance"]["slices"]["printed"] = "safe"
    return renamed(values, {"first_side": "alignment", "second_side": "inverse"})


def test_all_renamed_keys_are_listed_with_their_places_and_new_names(old: Values) -> None:
    old["sede"] = 1  # other mistakes are reported afterwards
    assert complaint(old).splitlines() == [
        "study.yaml uses keys of an earlier version:",
        "  - first_side: is now named alignment",
        "  - second_side: is now named inverse",
        "  - tasks.reviews.pools: is now named splits",
        "  - tasks.reviews.source.fields.answer: is now named response",
        "  - tasks.mixed.pools: is now named splits",
        "  - tasks.mixed.source.negative.fields.answer: is now named response",
        "  - rebound.existence.first_sizes: is now named alignment_sizes",
        "  - rebound.existence.second_sizes: is now named inverse_sizes",
        "  - rebound.existence.third_sizes: is now named realignment_sizes",
        "  - rebound.existence.first_recipe: is now named alignment_recipe",
        "  - rebound.existence.second_recipe: is now named inverse_recipe",
        "  - rebound.existence.third_recipe: is now named realignment_recipe",
        "  - rebound.existence.usefulness: is now named text_statistics",
        "  - rebound.existence.printed: is now named published",
        "  - rebound.existence.first_side: write direction: reversed instead of first_side: negative",
        "  - rebound.existence.first_recipe: the recipe first is now named alignment",
        "  - rebound.existence.second_recipe: the recipe second is now named inverse",
        "  - rebound.pretraining.first_side: leave it out: the alignment stage is on positive examples unless "
        "direction is reversed",
        "  - resistance.slices.printed: is now named published",
        "Rename them and run the same command again.",
    ]


def test_an_old_recipe_name_under_a_new_key_is_listed(values: Values) -> None:
    values["rebound"]["existence"]["realignment_recipe"] = "first"
    assert "rebound.existence.realignment_recipe: the recipe first is now named alignment" in complaint(values)


def test_a_recipe_may_be_named_like_an_old_one(values: Values) -> None:
    values["recipes"] = {"second": values["inverse"]}
    values["rebound"]["existence"]["inverse_recipe"] = "second"
    assert read_study(values).rebound["existence"].inverse_recipe == "second"


def test_names_of_tasks_models_and_experiments_are_free(values: Values) -> None:
    values["tasks"]["pools"] = values["tasks"].pop("reviews")
    values["models"]["nano"]["task"] = "pools"
    for experiment in (*values["rebound"].values(), *values["resistance"].values()):
        experiment["task"] = "pools"
    values["rebound"]["usefulness"] = values["rebound"].pop("existence")
    assert set(read_study(values).tasks) == {"pools"}


def test_renamed_keys_of_an_extended_study_are_listed(
    old: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(old))
    assert "  - first_side: is now named alignment\n" in complaint({"extends": "base.yaml", "name": "mine"})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"tasks": None, "rebound": [1], "resistance": "none", "recipes": 3},
        {"tasks": {"a": None, "b": {"source": [], "splits": 1}, "c": {"source": {"fields": "text", "positive": 1}}}},
        {"rebound": {"a": {"alignment_recipe": ["first"]}, "b": None}},
    ],
    ids=str,
)
def test_values_of_wrong_types_are_left_to_validation(values: Values) -> None:
    check_renamed_keys(values, "study.yaml")
