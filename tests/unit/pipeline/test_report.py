"""What verdicts are made from: files, and what their job is told."""

from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.jobs import VerdictsJob
from elasticity.config.loading import read_study
from elasticity.core.path_patterns import unfold
from elasticity.pipeline.report import VerdictsPlan
from elasticity.pipeline.study_pipeline import Pipeline
from tests.conftest import expected

NONE = SimpleNamespace()
RESULTS = "results/tiny"


@pytest.fixture
def study(values: dict[str, Any]) -> dict[str, Any]:
    """Two P, three N, one base and two seeds; a control, and an experiment that nothing is claimed of."""
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


def test_without_claims_there_is_nothing_to_make(values: dict[str, Any]) -> None:
    pipeline = VerdictsPlan(Pipeline(read_study(values)))
    assert (pipeline.targets(), pipeline.measures(NONE), pipeline.metrics(NONE)) == ([], [], [])


def test_what_is_read(study: dict[str, Any]) -> None:
    pipeline = VerdictsPlan(Pipeline(read_study(study)))
    assert pipeline.targets() == [f"{RESULTS}/tables/verdicts.csv", f"{RESULTS}/figures/verdicts.svg"]
    assert pipeline.measures(NONE) == [
        f"{RESULTS}/tables/measures-{name}.csv" for name in ("control", "existence", "slices")
    ]
    assert pipeline.scores(NONE) == [f"{RESULTS}/reviews/scores.parquet"]
    assert pipeline.calibration(NONE) == []
    calibrated = VerdictsPlan(Pipeline(read_study(study | {"calibration": {}})))
    assert calibrated.calibration(NONE) == [f"{RESULTS}/tables/calibration.csv"]


def test_scores_of_prompts_are_read_where_a_claim_has_use_for_them(study: dict[str, Any]) -> None:
    study["claims"] = {"a": expected("existence", "reversal-ratio", "less") | {"over": "sizes"}}
    pipeline = VerdictsPlan(Pipeline(read_study(study)))
    assert pipeline.scores(NONE) == []
    assert VerdictsJob.model_validate_json(pipeline.job()).rebound == {}


def test_every_training_job_that_a_claim_rests_on_is_asked(study: dict[str, Any]) -> None:
    pipeline = Pipeline(read_study(study))
    files = VerdictsPlan(pipeline).metrics(NONE)
    ends = [file.removeprefix(f"{RESULTS}/") for file in files]
    assert "models/nano/metrics.json" in ends
    assert "models/given/metrics.json" not in ends  # imported
    seeds = [file for file in ends if "/seed1/" in file]
    first, second = "reviews/rebound/nano/positive/alignment/seed1", "reviews/resistance/slices/given/seed1"
    cells = [f"{first}/P{size}/{recipe}/0-4-8" for size in (8, 16) for recipe in ("inverse", "other")]
    tuned = [f"{second}/tuned/{path}" for path in ("1-2", "1-3", "2-1", "2-3", "3-1", "3-2")]
    folders = [f"{first}/P/4-8-16", *cells, f"{second}/slices", *tuned]
    assert sorted(seeds) == sorted(f"{folder}/metrics.json" for folder in folders)
    patterns = pipeline.folded("metrics")(NONE, SimpleNamespace(metrics=files))
    assert len(patterns) < len(files) / 3
    assert [str(path) for path in unfold(patterns)] == sorted(files)


def test_the_job_keeps_the_order_of_the_claims_and_says_where_to_look(study: dict[str, Any]) -> None:
    pipeline = VerdictsPlan(Pipeline(read_study(study)))
    job = VerdictsJob.model_validate_json(pipeline.job())
    assert [planned.name for planned in job.claims] == ["b", "a"]
    assert [planned.bases for planned in job.claims] == [
        {"existence": ("nano",), "control": ("nano",)},
        {"slices": ("given",)},
    ]
    assert [planned.figure for planned in job.claims] == [
        "figures/rebound-existence.svg",
        "figures/resistance-slices/given.svg",
    ]
    assert (job.experiments, job.tasks) == (("control", "existence", "slices"), ("reviews",))
    assert set(job.rebound) == {"control", "existence"}
