"""Experiments with planted effects, without scores, and with leans, as a study declares them."""

from typing import Any

import pytest

from elasticity.config.experiments import OTHER_ORDER, Rebound, Treatment
from elasticity.config.loading import read_study
from tests.unit.conftest import complaint

Values = dict[str, Any]


def rebound(**changes: Any) -> Rebound:
    values = {"task": "reviews", "bases": ("nano",), "alignment_sizes": (8, 16, 32), "inverse_sizes": (0, 4)}
    return Rebound(**values | changes)


def planted(values: Values, name: str = "planted-one", **changes: Any) -> Values:
    existence = values["rebound"]["existence"]
    values["rebound"][name] = {
        key: existence[key] for key in ("task", "bases", "alignment_sizes", "inverse_sizes")
    } | changes
    return values


def test_one_size_is_treated_otherwise() -> None:
    for size in (8, 16, 32):
        assert rebound().treatment(size, 3) == Treatment(size, 3, 1)
        assert rebound(planted=4).treatment(size, 3) == Treatment(size, 3, 4 if size == 32 else 1)
    assert rebound(planted="nothing").treatment(8, 3) == Treatment(32, OTHER_ORDER + 3, 1)
    assert rebound(planted="nothing").treatment(16, 3) == Treatment(16, 3, 1)
    assert rebound(planted="nothing").treatment(32, 3) == Treatment(32, 3, 1)


def test_the_effect_is_put_in_words() -> None:
    assert rebound().planted_effect == ""
    assert rebound(planted=4).planted_effect == "planted: 4 N examples after P = 32"
    assert rebound(planted="nothing").planted_effect == "planted: no effect, P = 8 is P = 32 in another order"


def test_the_name_must_say_that_an_effect_is_planted(values: Values) -> None:
    read_study(planted(values, planted=2), "study.yaml")
    assert "must have a name that begins with planted-" in complaint(planted(values, "control", planted=2))


def test_no_other_experiment_may_be_named_so(values: Values) -> None:
    assert "and no other may" in complaint(planted(values))


@pytest.mark.parametrize("changes", [{"realignment_sizes": [4]}, {"joint": True, "compression": True}])
def test_what_cannot_be_planted(values: Values, changes: Values) -> None:
    (key,) = (name for name in changes if name != "compression")
    assert f"rebound.planted-one.{key} cannot be combined with planted" in complaint(
        planted(values, planted=2, **changes)
    )


def test_a_planted_effect_needs_two_sizes(values: Values) -> None:
    assert "compares sizes P" in complaint(planted(values, planted=2, alignment_sizes=[8]))


def test_a_factor_needs_so_many_times_the_examples(values: Values) -> None:
    available = values["tasks"]["reviews"]["splits"]["negative"]
    largest = values["rebound"]["existence"]["inverse_sizes"][-1]
    read_study(planted(values, planted=available // largest), "study.yaml")
    message = complaint(planted(values, planted=available // largest + 1))
    assert f"negative holds {available}" in message


def leaning(values: Values, texts: int, split: int) -> Values:
    values["rebound"]["existence"]["lean"] = True
    values["tasks"]["reviews"]["lean_texts"] = texts
    values["tasks"]["reviews"]["splits"]["lean"] = split
    return values


def test_leans_need_texts(values: Values) -> None:
    assert "tasks.reviews.splits.lean is 2, but each seed takes 3 (lean_texts)" in complaint(leaning(values, 3, 2))


def test_leans_need_texts_for_every_seed(values: Values) -> None:
    read_study(leaning(values, 3, 6), "study.yaml")
    message = complaint(leaning(values, 3, 5))
    assert "gives each of 1 seeds 3 texts (lean_texts), and seeds 1 and 2 would have the same" in message
    values["seeds"] = [1, 3]
    assert "seeds 1 and 3 would have the same" in complaint(leaning(values, 3, 6))


def test_an_experiment_must_measure_something(values: Values) -> None:
    values["claims"] = {}
    for rebound in values["rebound"].values():
        rebound["scores"] = False
    message = complaint(values)
    assert "scores, which is false; without scores it can only measure compression rates" in message


def test_claims_need_the_outcome_that_they_are_about(values: Values) -> None:
    claim = {"hypothesis": "It crosses", "experiment": "existence", "direction": "greater", "seeds": 2}
    values["claims"] = {"one": claim | {"measure": "lean-crossing", "role": "exploratory"}}
    assert "lean-crossing needs rebound.existence.lean: true" in complaint(values)
    values["rebound"]["existence"]["scores"] = False
    read_study(leaning(values, 2, 4), "study.yaml")
    values["claims"]["one"]["measure"] = "crossing"
    assert "rebound.existence has no scores to measure: its `scores` are false" in complaint(values)


def test_the_sides_of_a_mixture_are_those_of_the_split(values: Values) -> None:
    values["models"]["nano"]["mixture"] = {"positive": 0.5, "neutral": 0.5}
    assert "models.nano.mixture: neutral is none of tasks.reviews.splits.sides" in complaint(values)
