"""The rules of tables: which tables a study makes, and their paths, inputs and constraints."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.table import find_table, table_names
from elasticity.config.loading import read_study
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.pipeline.tables import WITH_MEASURES, TableRule
from tests.conftest import expected

Values = dict[str, Any]

TABLES = "results/tiny/tables"

pytestmark = pytest.mark.usefixtures("empty_folder")


def rules(values: Values) -> dict[str, TableRule]:
    return {rule.name: rule for rule in Pipeline(read_study(values)).tables}


def test_every_table_has_one_rule(values: Values) -> None:
    names = [rule.name for rule in Pipeline(read_study(values)).tables]
    assert sorted(names) == list(table_names())


def test_the_inputs_of_a_rule_are_options_of_its_table(values: Values) -> None:
    for rule in rules(values).values():
        table = find_table(rule.name)
        assert set(rule.inputs) - {"complete"} == {name.replace("-", "_") for name in (*table.inputs, *table.optional)}
        assert set(rule.folded) <= set(rule.inputs), rule.name


def test_the_outputs_of_a_rule_are_options_of_its_table(values: Values) -> None:
    flags: dict[str, dict[str, Any]] = {}

    def report(path: str, **flag: Any) -> str:
        flags[path] = flag
        return path

    for rule in rules(values).values():
        table = find_table(rule.name)
        flags.clear()
        outputs = rule.outputs(report)
        assert outputs == {name.replace("-", "_"): f"{TABLES}/{path}" for name, path in table.outputs.items()}
        assert set(flags) == {f"{TABLES}/{table.outputs[name]}" for name in table.shown}
        for name, shown in table.shown.items():
            flag = flags[f"{TABLES}/{table.outputs[name]}"]
            assert flag == {"category": table.chapter, "labels": {"of": table.subject, "what": shown.label}}


def test_a_rule_has_the_paths_of_its_experiments_or_tasks(values: Values) -> None:
    found = rules(values)
    assert found["rebound"].paths() == [f"{TABLES}/rebound-{name}.csv" for name in ("existence", "pretraining")]
    assert found["rebound"].paths("seeds") == [
        f"{TABLES}/seeds/rebound-{name}.csv" for name in ("existence", "pretraining")
    ]
    assert found["bits_per_byte"].paths() == [f"{TABLES}/bits-per-byte-reviews.csv"]
    assert found["theory"].paths() == []
    assert rules(values | {"theory": {}})["theory"].paths() == [f"{TABLES}/theory.csv"]


@pytest.mark.parametrize(
    ("name", "wildcard", "stem"),
    [
        ("rebound", "experiment", "rebound-{experiment}"),
        ("bits_per_byte", "task", "bits-per-byte-{task}"),
        ("resistance", "experiment", "resistance-{experiment}"),
        ("measures", "experiment", "measures-{experiment}"),
        ("verdicts", None, "verdicts"),
    ],
)
def test_the_wildcard_of_a_rule_is_what_its_table_is_made_for(
    values: Values, name: str, wildcard: str | None, stem: str
) -> None:
    rule = rules(values)[name]
    assert (rule.of, rule.stem) == (wildcard, stem)
    assert set(rule.constraints) == ({wildcard} if wildcard else set())


def test_constraints_allow_only_what_the_study_makes(values: Values) -> None:
    values["rebound"]["existence"]["divergence"] = True
    found = rules(values)

    def allowed(name: str, wildcard: str = "experiment") -> list[str]:
        names = ("existence", "pretraining", "slices", "reviews", "")
        return [it for it in names if re.fullmatch(found[name].constraints[wildcard], it)]

    assert allowed("rebound") == ["existence", "pretraining"]
    assert allowed("divergence") == ["existence"]
    assert allowed("resistance") == ["slices"]
    assert allowed("measures") == ["existence", "pretraining", "slices"]
    assert allowed("bits_per_byte", "task") == ["reviews"]
    assert allowed("springs") == []


def test_targets_are_the_shown_outputs_of_what_the_study_makes(values: Values) -> None:
    values["claims"] = {"a": expected("slices", "kl-gap", "greater")}
    tables = Pipeline(read_study(values)).tables
    shown = [
        path
        for rule in tables
        for option in rule.outputs(lambda path, **_: path)
        for path in rule.paths(option)
        if option in find_table(rule.name).shown
    ]
    assert sorted(tables.targets()) == sorted(shown)
    assert all(rule.paths()[0] in shown for rule in tables if rule.made_for)


def test_only_some_tables_depend_on_the_code_of_the_measures(values: Values) -> None:
    for name, rule in rules(values).items():
        assert rule.modules[0] == f"elasticity.analysis.tables.{name}"
        assert (len(rule.modules) > 1) == (name in WITH_MEASURES)


# Inputs


def of(experiment: str) -> SimpleNamespace:
    return SimpleNamespace(experiment=experiment)


def test_measures_read_the_tables_of_both_experiments_of_a_name(values: Values) -> None:
    values["resistance"]["existence"] = values["resistance"]["slices"]
    pipeline = Pipeline(read_study(values))
    inputs = pipeline.tables["measures"].inputs
    files = {name: function(of("existence")) for name, function in inputs.items()}
    assert files == {
        "rebound_seeds": [f"{TABLES}/seeds/rebound-existence.csv"],
        "rebound_table": [f"{TABLES}/rebound-existence.csv"],
        "lean_seeds": [],
        "resistance_seeds": [f"{TABLES}/seeds/resistance-existence.csv"],
    }
    assert pipeline.tables.bases("existence") == ("nano", "given")
    only = {name: function(of("slices")) for name, function in inputs.items()}
    assert only == {
        "rebound_seeds": [],
        "rebound_table": [],
        "lean_seeds": [],
        "resistance_seeds": [f"{TABLES}/seeds/resistance-slices.csv"],
    }


def test_divergences_are_read_of_all_runs_of_an_experiment(values: Values) -> None:
    values["rebound"]["existence"]["divergence"] = True
    pipeline = Pipeline(read_study(values))
    files = pipeline.tables["divergence"].inputs["divergences"](of("existence"))
    folder = "results/tiny/reviews/rebound/nano/positive/alignment"
    assert files == [
        f"{folder}/seed{seed}/{run}/divergences.parquet"
        for seed in (1, 2)
        for run in ("P8/inverse/0-4-8", "P16/inverse/0-4-8-12")
    ]


def test_bits_per_byte_are_read_of_the_task(values: Values) -> None:
    lengths = rules(values)["bits_per_byte"].inputs["lengths"](SimpleNamespace(task="reviews"))
    assert lengths == "results/tiny/reviews/bits-per-byte.parquet"


def test_the_theorem_and_the_calibration_need_no_files(values: Values) -> None:
    found = rules(values | {"theory": {}, "calibration": {}})
    assert (found["theory"].inputs, found["calibration"].inputs) == ({}, {})
    assert (found["theory"].made_for, found["calibration"].made_for) == (("study",), ("study",))
