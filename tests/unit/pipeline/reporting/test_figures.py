"""The rules of figures: where each is drawn, and its paths, constraints and job spec."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.table import find_table
from elasticity.config.loading import read_study
from elasticity.pipeline.reporting.figures import WITH_MEASURES, FigureRule
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.plots.figure import FIGURES, FORMATS, FigureJob
from tests.conftest import expected

Values = dict[str, Any]

FOLDER = "results/tiny/figures"

pytestmark = pytest.mark.usefixtures("empty_folder")


UNION = {
    "pretraining": "reviews/pretraining",
    "alignment": "reviews/positive",
    "perturbation": "reviews/negative",
}


def rules(values: Values) -> dict[str, FigureRule]:
    return {rule.name: rule for rule in Pipeline(read_study(values)).figures}


@pytest.fixture
def full(values: Values) -> Values:
    """A study with all kinds of tables, some of them for one of its experiments only."""
    values["compression"] = {"window": 32, "stride": 16, "coded": 2}
    existence = values["rebound"]["existence"]
    existence |= {"divergence": True, "realignment_sizes": [0, 4], "text_statistics": True}
    existence |= {"compression": True, "joint": True, "lean": True}
    values["rebound"]["pretraining"]["lean"] = True  # two base models
    values["tasks"]["reviews"]["lean_texts"] = 2
    values["tasks"]["reviews"]["splits"]["lean"] = 4
    values["claims"] = {"a": expected("slices", "kl-gap", "greater")}
    return values | {"theory": {}, "calibration": {}, "token_tree": {"unions": {"reviews": UNION}}}


def test_every_figure_has_one_rule(values: Values) -> None:
    assert [rule.name for rule in Pipeline(read_study(values)).figures] == list(FIGURES.names())


@pytest.mark.parametrize(
    ("study", "drawn"),
    [
        ("values", {"base-models", "measures", "rebound", "resistance"}),
        ("unscored", {"compression", "distance", "spring-law", "springs"}),
        ("full", set(FIGURES.names())),
    ],
)
def test_a_figure_is_drawn_exactly_where_its_tables_are_made(
    study: str, drawn: set[str], request: pytest.FixtureRequest
) -> None:
    pipeline = Pipeline(read_study(request.getfixturevalue(study)))
    made = {path for rule in pipeline.tables for option in find_table(rule.name).outputs for path in rule.paths(option)}
    assert {rule.name for rule in pipeline.figures if rule.made_for} == drawn
    experiments: dict[str, list[str | None]] = {
        "rebound": [*pipeline.study.rebound],
        "resistance": [*pipeline.study.resistance],
        "experiment": [*pipeline.study.rebound, *pipeline.study.resistance],
        "study": [None],
    }
    for rule in pipeline.figures:
        of = experiments[rule.entry.of]
        complete = [it for it in of if made.issuperset(rule.entry.table_paths(pipeline.results, it))]
        wanted = [it for it in complete if it is None or len(pipeline.tables.bases(it)) >= rule.entry.least_bases]
        assert list(dict.fromkeys(experiment for experiment, _ in rule.made_for)) == wanted, rule.name


def test_a_figure_of_a_resistance_experiment_is_drawn_for_each_base_model(values: Values) -> None:
    rule = rules(values)["resistance"]
    assert rule.made_for == (("slices", "nano"), ("slices", "given"))
    assert rule.paths() == [f"{FOLDER}/resistance-slices/nano.svg", f"{FOLDER}/resistance-slices/given.svg"]
    assert rule.stem == "resistance-{experiment}/{base}"


def test_a_figure_of_the_study_has_no_wildcards(values: Values) -> None:
    rule = rules(values | {"theory": {}})["theory"]
    assert (rule.constraints, rule.stem, rule.paths()) == ({}, "theory", [f"{FOLDER}/theory.svg"])
    assert rule.files == [f"{FOLDER}/theory.{suffix}" for suffix in FORMATS]


def test_constraints_allow_only_experiments_with_a_figure(full: Values) -> None:
    found = rules(full)
    for name, allowed in {"rebound": ["existence", "pretraining"], "divergence": ["existence"]}.items():
        pattern = found[name].constraints["experiment"]
        assert [it for it in ("existence", "pretraining", "slices", "") if re.fullmatch(pattern, it)] == allowed


def test_names_of_rules_are_identifiers_and_differ(values: Values) -> None:
    names = [rule.rule for rule in rules(values).values()]
    assert all(name.isidentifier() for name in names)
    assert len(set(names)) == len(names)


def test_a_figure_depends_on_its_module_and_some_on_the_measures(values: Values) -> None:
    for name, rule in rules(values).items():
        assert rule.modules[0] == FIGURES.module(name)
        assert (len(rule.modules) > 1) == (name in WITH_MEASURES)


def test_a_job_spec_has_the_facts_of_its_experiment(values: Values) -> None:
    found = rules(values | {"theory": {}})
    rebound = FigureJob.model_validate_json(found["rebound"].job(SimpleNamespace(experiment="pretraining")))
    assert (rebound.experiment, rebound.bases, rebound.base) == ("pretraining", ("nano-step3", "nano"), None)
    assert rebound.sides == ("positive", "negative")
    assert rebound.score
    where = SimpleNamespace(experiment="slices", base="given")
    resistance = FigureJob.model_validate_json(found["resistance"].job(where))
    assert (resistance.base, resistance.bases, resistance.sides) == ("given", ("nano", "given"), None)
    assert FigureJob.model_validate_json(found["theory"].job(SimpleNamespace())) == FigureJob()
