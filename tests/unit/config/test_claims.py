"""Claims of a study: their validation and their digest."""

import copy
import json
from typing import Any

import pytest

from elasticity.config.claims import claims_digest
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError

Values = dict[str, Any]

CROSSING = {
    "hypothesis": "The order of the lines is reversed",
    "experiment": "existence",
    "measure": "crossing",
    "direction": "greater",
    "role": "confirmatory",
    "seeds": 3,
}


@pytest.fixture
def two(values: Values) -> Values:
    """A study with rebound experiments over two P and two base models or one of each, controls, and slices."""
    existence = values["rebound"]["existence"] | {"bases": ["nano-step3", "nano"], "alignment_sizes": [8, 16]}
    values["recipes"] = {"other": values["inverse"]}
    values["rebound"] = {
        "existence": existence,
        "control": existence | {"inverse_recipe": "other"},
        "fewer": existence | {"bases": ["nano"]},
        "others": existence | {"bases": ["nano", "given"], "alignment_sizes": [4, 8]},
        "single": existence | {"bases": ["nano"], "alignment_sizes": [8], "inverse_sizes": [4, 8]},
        "rare": existence | {"max_seeds": 2},
    }
    values["resistance"]["slices"] |= {"bases": ["nano"]}
    return values


def with_claim(values: Values, **changes: object) -> Values:
    return values | {"claims": {"falls": CROSSING | changes}}


def test_a_claim_has_parts_a_kind_and_a_unit(two: Values) -> None:
    study = read_study(with_claim(two, over="control", control="control", exclusions={2: "the machine was full"}))
    claim = study.claims["falls"]
    assert claim.parts == ("crossing-start", "crossing-end")
    assert claim.experiments == ("existence", "control")
    assert (claim.kind, claim.unit, claim.margin) == ("rebound", "score", 0.0)
    assert claim.exclusions == {2: "the machine was full"}


def test_a_control_may_have_other_bases_and_sizes(two: Values) -> None:
    study = read_study(with_claim(two, over="control", control="others"))
    assert study.claims["falls"].control == "others"


def test_a_claim_of_resistance(two: Values) -> None:
    study = read_study(with_claim(two, experiment="slices", measure="kl-gap"))
    assert (study.claims["falls"].kind, study.claims["falls"].parts) == ("resistance", ("kl-gap",))


def test_a_claim_may_need_more_seeds_than_the_study_has(two: Values) -> None:
    assert read_study(with_claim(two, seeds=100)).claims["falls"].seeds == 100


MISTAKES: dict[str, tuple[Values, list[str]]] = {
    "unknown experiment": (
        {"experiment": "existance"},
        [
            "claims.falls.experiment: 'existance' is no rebound experiment",
            "declared: control, existence, fewer, others, rare, single",
        ],
    ),
    "unknown measure": ({"measure": "slope"}, ["claims.falls.measure", "crossing", "slope"]),
    "measure of another kind": (
        {"measure": "kl-gap"},
        ["claims.falls.measure: kl-gap is a measure of resistance experiments", "reversal-ratio"],
    ),
    "measure of another kind, resistance": (
        {"experiment": "slices"},
        ["crossing is a measure of rebound experiments", "'slices' is none", "entropy-gap, kl-gap"],
    ),
    "control of another kind": (
        {"over": "control", "control": "slices"},
        ["claims.falls.control 'slices' is none"],
    ),
    "one base": (
        {"experiment": "single", "measure": "end", "over": "bases"},
        ["claims.falls.over: bases", "rebound.single.bases holds one"],
    ),
    "one base, resistance": (
        {"experiment": "slices", "measure": "kl-gap", "over": "bases"},
        ["resistance.slices.bases holds one"],
    ),
    "one P": (
        {"experiment": "single", "measure": "end", "over": "sizes"},
        ["claims.falls.over: sizes", "rebound.single.alignment_sizes holds one"],
    ),
    "one P to cross": ({"experiment": "single", "measure": "crossing-end"}, ["alignment_sizes holds one"]),
    "no single P": (
        {"over": "sizes"},
        ["claims.falls.over: crossing is not measured for a single P", "bases or control"],
    ),
    "no single P, resistance": (
        {"experiment": "slices", "measure": "kl-gap", "over": "sizes"},
        ["kl-gap is not measured for a single P"],
    ),
    "no N of 0": ({"experiment": "single", "measure": "start"}, ["start needs 0", "rebound.single.inverse_sizes"]),
    "few N": (
        {"measure": "two-phase"},
        ["claims.falls.measure: two-phase needs at least 6 sizes N", "rebound.existence.inverse_sizes holds 3"],
    ),
    "no control": ({"over": "control"}, ["claims.falls.control is missing"]),
    "a control for nothing": ({"control": "control"}, ["claims.falls.control is given", "set over: control"]),
    "unknown control": ({"over": "control", "control": "neutral"}, ["claims.falls.control: 'neutral' is no rebound"]),
    "control of itself": ({"over": "control", "control": "existence"}, ["existence is the experiment itself"]),
    "control with other cells": (
        {"measure": "end", "over": "control", "control": "single"},
        [
            "cells cannot be paired",
            "inverse_sizes is [0, 4, 8], but rebound.single.inverse_sizes is [4, 8]: they must be equal;",
        ],
    ),
    "control with fewer cells": (
        {"measure": "end", "over": "control", "control": "fewer"},
        ["existence.bases is [nano-step3, nano], but rebound.fewer.bases is [nano]: they must be equally long"],
    ),
    "control with few seeds": (
        {"over": "control", "control": "rare"},
        ["claims.falls.seeds is 3, but rebound.rare.max_seeds is 2", "raise the one or lower the other"],
    ),
    "excluded seed": ({"exclusions": {7: "odd"}}, ["claims.falls.exclusions: 7 is not a seed", "its seeds: 1, 2"]),
    "exclusion without a reason": ({"exclusions": {1: ""}}, ["claims.falls.exclusions.1"]),
    "excluded name": ({"exclusions": {"first": "odd"}}, ["claims.falls.exclusions.first"]),
    "no seeds": ({"seeds": 0}, ["claims.falls.seeds"]),
    "no hypothesis": ({"hypothesis": " "}, ["claims.falls.hypothesis"]),
    "unknown key": ({"alpha": 0.01}, ["claims.falls.alpha: unknown key", "margin"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_claim_that_cannot_be_tested_is_an_error(two: Values, name: str) -> None:
    changes, expected = MISTAKES[name]
    with pytest.raises(UserError) as error:
        read_study(with_claim(two, **changes), "study.yaml")
    for part in expected:
        assert part in str(error.value)


def test_claims_about_rebound_need_a_score_model(two: Values) -> None:
    del two["tasks"]["reviews"]["score_model"]
    for experiment in two["rebound"].values():
        experiment["compression"] = True
    two["compression"] = {"window": 16, "stride": 8, "characters": 60}
    with pytest.raises(UserError, match=r"rebound\.existence has no scores to measure: tasks\.reviews has no"):
        read_study(with_claim(two))


def test_the_digest_depends_on_the_content_of_claims_only(two: Values) -> None:
    claims = {"falls": CROSSING, "rises": CROSSING | {"margin": 0.1, "exclusions": {1: "odd"}}}

    def digest_of(claims: Values) -> str:
        return claims_digest(read_study(two | {"claims": claims}).claims)

    first = digest_of(claims)
    assert digest_of(dict(reversed(claims.items()))) == first
    assert digest_of(claims | {"falls": CROSSING | {"margin": 0.0, "over": "value"}}) == first
    assert digest_of(json.loads(json.dumps(claims))) == first
    for name, changes in {"falls": {"margin": 0.01}, "rises": {"exclusions": {}}, "new": {}}.items():
        changed = copy.deepcopy(claims)
        changed[name] = changed.get(name, CROSSING) | changes
        assert digest_of(changed) != first
