"""The rules of tables: which tables a study makes, and their paths, inputs and constraints."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.jobs import CodeLengthsJob, TokenTreeJob
from elasticity.analysis.table import find_table, table_names
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.pipeline.reporting.table_rule import WITH_CHECKS, WITH_MEASURES, TableRule
from elasticity.pipeline.study_pipeline import Pipeline
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
        for part, names in (("measures", WITH_MEASURES), ("checks", WITH_CHECKS)):
            assert any(f".analysis.{part}." in module for module in rule.modules) == (name in names)


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
        "lean_seeds": [],
        "resistance_seeds": [f"{TABLES}/seeds/resistance-existence.csv"],
    }
    assert pipeline.tables.bases("existence") == ("nano", "given")
    only = {name: function(of("slices")) for name, function in inputs.items()}
    assert only == {
        "rebound_seeds": [],
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


def test_the_theorem_needs_no_files_and_the_calibration_takes_noise(values: Values) -> None:
    found = rules(values | {"theory": {}, "calibration": {}})
    assert found["theory"].inputs == {}
    assert [Path(found["calibration"].inputs["noise"](None)).name] == ["noise.csv"]
    named = rules(values | {"noise": "done", "calibration": {}})
    assert named["calibration"].inputs["noise"](None) == "results/done/tables/noise.csv"
    assert (found["theory"].made_for, found["calibration"].made_for) == (("study",), ("study",))


UNION = {"pretraining": "reviews/pretraining", "alignment": "reviews/positive", "perturbation": "reviews/negative"}

ANY = SimpleNamespace()


def test_token_trees_are_made_of_the_files_of_their_corpora_in_order(values: Values) -> None:
    """The union that comes first in the study comes last in the job spec, whose keys are sorted."""
    assert rules(values)["token_tree"].paths() == rules(values)["code_lengths"].paths() == []
    unions = {"two": UNION, "one": UNION | {"pretraining": "reviews/negative", "perturbation": "reviews/positive"}}
    found = rules(values | {"token_tree": {"unions": unions}})
    rule = found["token_tree"]
    job = TokenTreeJob.model_validate_json(rule.job(ANY))
    names = ("pretraining", "positive", "negative")
    assert job.corpora == tuple(f"reviews/{name}" for name in names)
    assert job.settings.corpora != job.corpora
    folder = "results/tiny/reviews/splits"
    assert rule.inputs["texts"](ANY) == [f"{folder}/{name}.parquet" for name in names]
    assert rule.inputs["held_out"](ANY) == [f"{folder}/held-out-{name}.parquet" for name in names]
    assert (rule.inputs["complete"](ANY), job.tokenizer) == ([], None)
    assert found["code_lengths"].paths() == []


def test_token_trees_of_token_ids_need_the_tokenizer(values: Values) -> None:
    rule = rules(values | {"token_tree": {"unions": {"a": UNION}, "tokenizer": "nano"}})["token_tree"]
    job = TokenTreeJob.model_validate_json(rule.job(ANY))
    assert rule.inputs["complete"](ANY) == [f"{job.tokenizer}/tokenizer.json"]
    assert str(job.tokenizer).startswith("results/tiny/reviews/tokenizers/")


def test_models_stand_beside_token_trees_where_compression_is_measured(values: Values) -> None:
    values["compression"] = {"window": 32, "stride": 16}
    values["rebound"]["existence"]["compression"] = True
    rule = rules(values | {"token_tree": {"unions": {"a": UNION}}})["code_lengths"]
    assert rule.paths() == [f"{TABLES}/code-lengths.csv"]
    job = CodeLengthsJob.model_validate_json(rule.job(ANY))
    assert len(rule.inputs["base_rates"](ANY)) == len(job.rates)
    assert job.rates[0].corpora == UNION


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unions": {"a": UNION | {"alignment": "films/positive"}}}, "names no task of this study; declared: "),
        ({"unions": {"a": UNION | {"alignment": "reviews/neutral"}}}, "names no split of reviews that has examples"),
        ({"tokenizer": "mega"}, "is no model with a tokenizer of its own"),
    ],
)
def test_token_trees_of_what_a_study_does_not_have(values: Values, change: Values, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        read_study(values | {"token_tree": {"unions": {"a": UNION}} | change})
