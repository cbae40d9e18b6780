"""Leans, planted effects and unscored experiments in the graph."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.analysis.jobs import NoiseJob
from elasticity.config.experiments import OTHER_ORDER
from elasticity.config.loading import read_study
from elasticity.evaluation.jobs import LeanReading, Measurements
from elasticity.pipeline.planning.workload import Drawing, workload
from elasticity.pipeline.running.status import status
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.training.jobs import FineTuneJob, InverseJob
from tests.conftest import ROOT, expected
from tests.unit.pipeline.graph import wildcards

Values = dict[str, Any]

pytestmark = pytest.mark.usefixtures("empty_folder")


def run(**changes: Any) -> SimpleNamespace:
    """The wildcards of an inverse run of the experiment."""
    return wildcards(**{"alignment_size": 8, "run_sizes": "0-4"} | changes)


def measured(pipeline: Pipeline, **changes: Any) -> Measurements:
    return InverseJob.model_validate_json(pipeline.measurements.inverse_job(run(**changes))).measurements


@pytest.fixture
def leaning(values: Values) -> Values:
    """A study whose only experiment measures leans, with two planted copies of it."""
    existence = {
        "task": "reviews",
        "bases": ["nano"],
        "alignment_sizes": [8, 16],
        "inverse_sizes": [0, 4],
        "scores": False,
        "lean": True,
    }
    values["rebound"] = {
        "existence": existence,
        "planted-crossing": existence | {"planted": 3},
        "planted-nothing": existence | {"planted": "nothing"},
    }
    values["tasks"]["reviews"] |= {"lean_texts": 3, "held_out_tokens": 7}
    values["tasks"]["reviews"]["splits"]["lean"] = 9
    return values | {"resistance": {}, "claims": {}}


def test_nothing_is_sampled_without_scores(leaning: Values) -> None:
    pipeline = Pipeline(read_study(leaning))
    found = measured(pipeline)
    assert found.responses is None
    assert found.lean == LeanReading(template="plain", tokens=7, texts=3, block=1)
    assert pipeline.measurements.inverse_prompts(run()) == []
    assert pipeline.measurements.inverse_lean_texts(run()) == [
        f"results/tiny/reviews/splits/lean-{side}.parquet" for side in ("positive", "negative")
    ]
    made = {rule.name for rule in pipeline.tables if rule.made_for}
    assert made >= {"lean", "measures"}
    assert not made & {"rebound", "lean_difference"}
    assert pipeline.rebound.responses(wildcards()) == []
    assert not [work for work in workload(pipeline.study) if isinstance(work, Drawing)]


def test_a_run_that_a_scored_experiment_shares_is_sampled(leaning: Values) -> None:
    leaning["rebound"]["scored"] = leaning["rebound"]["existence"] | {"scores": True, "lean": False}
    pipeline = Pipeline(read_study(leaning))
    assert measured(pipeline).responses is not None
    assert measured(pipeline).lean is not None
    other = measured(pipeline, seed=1_000_001, alignment_size=16)
    assert (other.responses, other.lean is None) == (None, False)
    files = pipeline.rebound.responses(wildcards())
    assert files[0] == "results/tiny/reviews/rebound/nano/responses.parquet"
    assert len(files) == 1 + 2 * 2
    assert not any("seed100000" in file for file in files)


def test_leans_need_neither_the_base_model_nor_other_measurements(leaning: Values) -> None:
    pipeline = Pipeline(read_study(leaning))
    assert pipeline.measurements.base(run()) == []
    job = json.loads(pipeline.measurements.base_lean_job(wildcards()))
    assert job["measurements"]["cell"] is None
    assert job["measurements"]["lean"]["block"] is None


def test_each_seed_has_texts_of_its_own_in_every_order(leaning: Values) -> None:
    pipeline = Pipeline(read_study(leaning))
    for seed, block in ((1, 1), (2, 2), (3, 0), (4, 1)):
        for order in (0, OTHER_ORDER):
            lean = measured(pipeline, seed=order + seed, alignment_size=16).lean
            assert lean is None or lean.block == block
        assert pipeline.study.tasks["reviews"].lean_block(OTHER_ORDER + seed) == block


def test_planted_effects_add_sizes_and_orders_only(leaning: Values) -> None:
    pipeline = Pipeline(read_study(leaning))
    sizes = {(it.alignment.seed, it.alignment_size): found for it, found in pipeline.rebound.cells.items()}
    assert sizes == {
        **{(seed, 8): (0, 4) for seed in (1, 2)},
        **{(seed, 16): (0, 4, 12) for seed in (1, 2)},
        **{(1_000_000 + seed, 16): (0, 4) for seed in (1, 2)},
    }
    where = run(seed=1_000_002, alignment_size=16)
    job = FineTuneJob.model_validate_json(pipeline.rebound.inverse_stored_job(where))
    assert job.seed == 1_000_002


def test_status_counts_the_cells_of_planted_experiments(leaning: Values) -> None:
    lines = status(read_study(leaning), ROOT / "config.yaml").splitlines()
    assert [line.split() for line in lines if "planted" in line] == [
        ["rebound", name, "8", "cells:", "8", "waiting"] for name in ("planted-crossing", "planted-nothing")
    ]


def test_only_experiments_with_two_base_models_have_a_difference(leaning: Values) -> None:
    leaning["rebound"]["pair"] = leaning["rebound"]["existence"] | {"bases": ["nano-step3", "nano"]}
    pipeline = Pipeline(read_study(leaning))
    (rule,) = (rule for rule in pipeline.figures if rule.name == "lean-difference")
    assert rule.made_for == (("pair", None),)


def test_claims_about_leans_show_the_figure_of_leans(leaning: Values) -> None:
    leaning["claims"] = {
        "one": {
            "hypothesis": "It crosses",
            "experiment": "planted-crossing",
            "measure": "lean-crossing",
            "direction": "greater",
            "role": "confirmatory",
            "seeds": 2,
        }
    }
    pipeline = Pipeline(read_study(leaning))
    (claim,) = json.loads(pipeline.claims.job())["claims"]
    assert claim["figure"] == "figures/lean-planted-crossing.svg"
    assert pipeline.claims.tasks == []


def test_both_orders_of_a_seed_have_the_same_random_numbers(leaning: Values) -> None:
    del leaning["rebound"]["planted-nothing"]["scores"]
    pipeline = Pipeline(read_study(leaning))
    found = [measured(pipeline, alignment_size=16, seed=seed).responses for seed in (1, 1 + OTHER_ORDER)]
    assert found[0] == found[1] is not None


def test_the_noise_of_leans_is_estimated_also_that_of_controls(leaning: Values) -> None:
    """A study that scores nothing once had no table of noise, and a control without scores stopped its planning."""
    leaning["claims"]["less-than-planted"] = expected("existence", "lean-end", "less") | {
        "over": "control",
        "control": "planted-crossing",
    }
    rule = next(rule for rule in Pipeline(read_study(leaning)).tables if rule.name == "noise")
    job = NoiseJob.model_validate_json(rule.job(SimpleNamespace()))
    parts = {part.experiment: part for part in job.parts}
    assert set(parts) == {"existence", "planted-nothing"}
    assert parts["existence"].controls == {"planted-crossing": ("nano",)}
    assert set(job.experiments) == set(leaning["rebound"])
    assert (job.rebound, job.tasks) == ({}, ())
    tables = [f"results/tiny/tables/measures-{name}.csv" for name in job.experiments]
    assert rule.inputs["measures"](SimpleNamespace()) == tables
