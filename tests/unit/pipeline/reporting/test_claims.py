"""Claims in the graph: the files that the verdicts are made from, and the job spec."""

import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.jobs import VerdictsJob
from elasticity.config.loading import read_study
from elasticity.core.path_patterns import unfold
from elasticity.pipeline.common import options
from elasticity.pipeline.reporting.table_rule import TableRule
from elasticity.pipeline.study_pipeline import Pipeline
from tests.conftest import expected

NONE = SimpleNamespace()
RESULTS = "results/tiny"
TABLES = f"{RESULTS}/tables"


@pytest.fixture
def study(values: dict[str, Any]) -> dict[str, Any]:
    """A study with two P, three N, one base model and two seeds; a control, and an experiment without claims."""
    existence = {"task": "reviews", "bases": ["nano"], "alignment_sizes": [8, 16], "inverse_sizes": [0, 4, 8]}
    values["recipes"] = {"other": values["inverse"]}
    values["rebound"] = {
        "existence": existence,
        "control": existence | {"inverse_recipe": "other"},
        "idle": existence | {"alignment_sizes": [4]},
    }
    values["resistance"]["slices"] |= {"bases": ["given"]}
    values["claims"] = {
        "b": expected("existence", "end", "less") | {"over": "control", "control": "control"},
        "a": expected("slices", "kl-gap", "greater"),
    }
    return values


def verdicts(values: dict[str, Any]) -> TableRule:
    return Pipeline(read_study(values)).tables["verdicts"]


def test_a_study_without_claims_makes_no_verdicts(values: dict[str, Any]) -> None:
    pipeline = Pipeline(read_study(values))
    table = pipeline.tables["verdicts"]
    assert not [target for target in pipeline.targets if "verdicts" in target]
    assert (table.paths(), table.paths("declared")) == ([], [])
    assert (table.inputs["measures"](NONE), table.inputs["metrics"](NONE)) == ([], [])


def test_verdicts_read_the_measures_of_all_experiments_with_claims(study: dict[str, Any]) -> None:
    pipeline = Pipeline(read_study(study))
    inputs = pipeline.tables["verdicts"].inputs
    targets = [f"{TABLES}/verdicts.csv", f"{RESULTS}/figures/verdicts.svg"]
    assert [target for target in pipeline.targets if "verdicts" in target] == targets
    assert inputs["measures"](NONE) == [f"{TABLES}/measures-{name}.csv" for name in ("control", "existence", "slices")]
    assert inputs["scores"](NONE) == [f"{RESULTS}/reviews/scores.parquet"]
    assert inputs["calibration"](NONE) == []
    calibrated = verdicts(study | {"calibration": {}})
    assert calibrated.inputs["calibration"](NONE) == [f"{TABLES}/calibration.csv"]


def test_scores_of_prompts_are_inputs_only_if_an_effect_exists_for_each_prompt(study: dict[str, Any]) -> None:
    study["claims"] = {"a": expected("existence", "reversal-ratio", "less") | {"over": "sizes"}}
    table = verdicts(study)
    assert table.inputs["scores"](NONE) == []
    assert VerdictsJob.model_validate_json(table.job(NONE)).rebound == {}


def test_the_metrics_of_every_training_job_that_a_claim_rests_on_are_inputs(study: dict[str, Any]) -> None:
    table = verdicts(study)
    files = table.inputs["metrics"](NONE)
    ends = [file.removeprefix(f"{RESULTS}/") for file in files]
    assert "models/nano/metrics.json" in ends
    assert "models/given/metrics.json" not in ends  # imported
    seeds = [file for file in ends if "/seed1/" in file]
    alignment, slices = "reviews/rebound/nano/positive/alignment/seed1", "reviews/resistance/slices/given/seed1"
    cells = [f"{alignment}/P{size}/{recipe}/0-4-8" for size in (8, 16) for recipe in ("inverse", "other")]
    tuned = [f"{slices}/tuned/{path}" for path in ("1-2", "1-3", "2-1", "2-3", "3-1", "3-2")]
    folders = [f"{alignment}/P/4-8-16", *cells, f"{slices}/slices", *tuned]
    assert sorted(seeds) == sorted(f"{folder}/metrics.json" for folder in folders)


def test_metrics_are_patterns_on_the_command_line(study: dict[str, Any]) -> None:
    table = verdicts(study)
    files = table.inputs["metrics"](NONE)
    option, *patterns = shlex.split(options(folded=table.folded)(NONE, {"metrics": files}, {}))
    assert option == "--metrics"
    assert len(patterns) < len(files) / 3
    assert [str(path) for path in unfold(patterns)] == sorted(files)


def test_the_job_keeps_the_order_of_the_claims_and_names_their_files(study: dict[str, Any]) -> None:
    job = VerdictsJob.model_validate_json(verdicts(study).job(NONE))
    assert [planned.name for planned in job.claims] == ["b", "a"]
    assert [planned.bases for planned in job.claims] == [
        {"existence": ("nano",), "control": ("nano",)},
        {"slices": ("given",)},
    ]
    assert [planned.figure for planned in job.claims] == [
        "figures/rebound-existence.svg",
        "figures/resistance-slices/given.svg",
    ]
    assert [planned.table for planned in job.claims] == ["tables/measures-existence.csv", "tables/measures-slices.csv"]
    assert (job.experiments, job.tasks) == (("control", "existence", "slices"), ("reviews",))
    assert set(job.rebound) == {"control", "existence"}
