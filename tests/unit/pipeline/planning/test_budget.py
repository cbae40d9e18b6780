"""The workload and the budget of a study."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.models.shapes import shape_of
from elasticity.pipeline.planning import budget
from elasticity.pipeline.planning.budget import CPU_CAUTION, JOB_START_S, Budget, Stage, core_hours
from elasticity.pipeline.planning.workload import Training, cells, needed_models, workload
from elasticity.pipeline.resistance import PATHS
from elasticity.resources.estimates import CPU_FLOPS_PER_S
from elasticity.resources.flops import training_flops_per_token


def stages_of(values: dict[str, Any]) -> dict[str, Stage]:
    return {stage.name: stage for stage in Budget(read_study(values)).stages()}


def test_models_take_four_bytes_per_parameter_on_disk(values: dict[str, Any], given: int) -> None:
    found = stages_of(values)
    nano = shape_of(read_study(values).models["nano"]).parameters
    assert found["imported models"].disk_bytes == 4 * given
    assert found["pre-training"].disk_bytes == 4 * 2 * nano  # itself and its checkpoint


def test_a_model_that_no_experiment_needs_costs_nothing(values: dict[str, Any]) -> None:
    values["resistance"]["slices"]["bases"] = ["nano"]
    assert needed_models(read_study(values)) == ["nano"]
    assert "imported models" not in stages_of(values)


def test_a_tuned_model_needs_the_one_it_is_made_from(values: dict[str, Any]) -> None:
    tuning = {"learning_rate": 1e-3, "batch_size": 4, "max_length": 16, "epochs": 3, "schedule": "cosine"}
    warm = {"kind": "tuned", "base": "nano", "task": "reviews", "side": "positive", "examples": 40, "tuning": tuning}
    values["models"]["warm"] = warm
    values["rebound"] = {}
    values["resistance"]["slices"]["bases"] = ["warm"]
    assert needed_models(read_study(values)) == ["nano", "warm"]
    assert (stages_of(values)["tuned models"].examples, stages_of(values)["tuned models"].updates) == (120, 30)


def test_the_stages_of_a_small_study_equal_those_counted_by_hand(values: dict[str, Any], given: int) -> None:
    found = stages_of(values)
    # nano: P of 8 and 16 in one run; nano-step3: P of 16; two seeds
    assert (found["alignment"].jobs, found["alignment"].examples, found["alignment"].updates) == (4, 64, 16)
    # after P = 8: N up to 8; after P = 16: up to 12 for both bases; two seeds
    assert (found["inverse"].jobs, found["inverse"].examples) == (6, 2 * (8 + 12 + 12))
    assert found["inverse"].trained_tokens == 64 * 16
    # checkpoints: 3 after P = 8; 0, 4, 8, 12 after P = 16 of nano; 0, 8, 12 of nano-step3
    # 6 prompts, 8 tokens; two base models, 8 draws
    assert found["responses"].drawn_tokens == (2 * (3 + 4 + 3) + 2 * 8) * 6 * 8
    # two bases, two seeds: slices with their responses, and six paths of 8 examples each
    assert found["resistance slices"].jobs == 4 * (1 + len(PATHS))
    assert found["resistance slices"].examples == 4 * (24 + 6 * 8)
    assert found["resistance slices"].drawn_tokens == 4 * 3 * (8 * 8 + 6 * 4)


def test_no_responses_are_generated_without_a_score_model(unscored: dict[str, Any]) -> None:
    found = stages_of(unscored)
    assert "responses" not in found
    assert found["inverse"].jobs == 6


def test_shared_cells_are_counted_once(values: dict[str, Any]) -> None:
    assert cells(read_study(values)) == 2 * (3 + 4 + 3)


def test_gpu_hours_are_flops_divided_by_the_rate_of_the_gpu(values: dict[str, Any], given: int) -> None:
    values["hardware"] = {"device": "cuda", "gpus_per_node": 1, "gpu": "H100"}
    study = read_study(values)
    flops = training_flops_per_token(shape_of(study.models["nano"]), 16) * 64 * 16
    assert stages_of(values)["alignment"].gpu_hours == pytest.approx(flops / (0.3 * 989.4e12) / 3600)


def test_gradient_checkpointing_costs_a_third_more(values: dict[str, Any], given: int) -> None:
    hours = []
    for checkpointing in (False, True):
        hardware = {"device": "cuda", "gpus_per_node": 1, "gpu": "H100", "gradient_checkpointing": checkpointing}
        hours.append(stages_of(values | {"hardware": hardware})["alignment"].gpu_hours)
    assert hours[1] / hours[0] == pytest.approx(4 / 3)


def test_ppo_draws_a_response_to_every_example(values: dict[str, Any], given: int) -> None:
    plain = stages_of(values)["inverse"]
    values["inverse"]["algorithm"] = {"kind": "ppo", "new_tokens": 5, "passes": 2}
    ppo = stages_of(values)["inverse"]
    assert (ppo.jobs, ppo.drawn_tokens, plain.drawn_tokens) == (plain.jobs, 64 * 5, 0)
    assert ppo.trained_tokens == 2 * plain.trained_tokens
    assert ppo.gpu_hours > 2 * plain.gpu_hours  # drawing, too


def test_peak_disk_is_what_stays_and_what_running_jobs_hold(values: dict[str, Any], given: int) -> None:
    values["hardware"] = {"device": "cuda", "gpus_per_node": 2, "gpu": "H100"}
    nano = shape_of(read_study(values).models["nano"]).parameters
    disk = Budget(read_study(values)).disk()
    # two runs of the larger model: three slices from which their first tunings start, and the jobs' states
    assert disk.passing == 2 * max(nano, given) * (4 * 3 + 12)
    assert disk.kept == 4 * (given + 2 * nano) + 4 * 2 * (2 * nano + nano)  # models, and alignment stages of two seeds
    assert (disk.sources, disk.gpus) == (0, 2)
    assert disk.peak == disk.kept + disk.passing


def test_temporary_files_are_those_of_the_jobs_that_hold_most(values: dict[str, Any], given: int) -> None:
    """Brute force: no set of jobs on the GPUs holds more, and the bound is reached where jobs fill the GPUs."""
    for gpus in (1, 2, 3, 4):
        values["hardware"] = {"device": "cuda", "gpus_per_node": gpus, "gpu": "H100"}
        study = read_study(values)
        jobs = [work for work in workload(study) if isinstance(work, Training)]
        held = [shape_of(study.models[work.model]).parameters * (4 * work.passing + 12) for work in jobs]
        best = max(sum(chosen) for chosen in combinations(sorted(held, reverse=True)[:8], gpus))
        assert Budget(study).disk().passing == best


def test_jobs_that_save_a_state_before_they_end_hold_two(
    values: dict[str, Any], given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values["hardware"] = {"device": "cuda", "gpus_per_node": 2, "gpu": "H100"}
    short = Budget(read_study(values)).disk().passing
    monkeypatch.setattr(budget, "pause_s", lambda *_: 0.0)
    largest = max(given, shape_of(read_study(values).models["nano"]).parameters)
    assert Budget(read_study(values)).disk().passing == short + 2 * largest * 12


def test_jobs_that_share_slices_count_them_once(values: dict[str, Any], given: int) -> None:
    jobs = [work for work in workload(read_study(values)) if isinstance(work, Training)]
    passing = [work.passing for work in jobs if work.stage == "resistance slices"]
    assert passing == 4 * [3, 3, 0, 0, 0, 0, 0]  # two bases and two seeds: the slices, then six tunings


def test_stages_that_are_measured_from_checkpoints_take_more_jobs_and_disk(values: dict[str, Any], given: int) -> None:
    """Here because ZeRO stage 3 leaves each process a part of a model."""
    values["hardware"] = {"device": "cuda", "gpus_per_node": 2, "gpu": "H100"}
    before = {stage.name: stage.jobs for stage in Budget(read_study(values)).stages()}
    disk = Budget(read_study(values)).disk()
    values["hardware"] |= {"gpus": 2, "zero_stage": 3}
    after = {stage.name: stage.jobs for stage in Budget(read_study(values)).stages()}
    assert after["responses"] == before["responses"] + before["inverse"]
    assert after["resistance slices"] == before["resistance slices"] + 4
    assert Budget(read_study(values)).disk().passing > disk.passing / 2  # one job at a time instead of two
    kept = Budget(read_study(values | {"keep_checkpoints": True})).disk().kept
    assert kept > disk.kept


def test_a_study_that_keeps_checkpoints_keeps_those_of_slices_and_tunings(values: dict[str, Any], given: int) -> None:
    def kept(values: dict[str, Any]) -> list[int]:
        jobs = (work for work in workload(read_study(values)) if isinstance(work, Training))
        return [work.kept for work in jobs if work.stage == "resistance slices"]

    assert kept(values) == 4 * [0, 0, 0, 0, 0, 0, 0]
    assert kept(values | {"keep_checkpoints": True}) == 4 * [3, 1, 1, 1, 1, 1, 1]


def test_an_extrapolated_model_is_on_disk_beside_the_two_that_it_is_made_of(values: dict[str, Any], given: int) -> None:
    values["inverse"] |= {"epochs": 2, "extrapolation": 0.5}
    found = [work for work in workload(read_study(values)) if isinstance(work, Training)]
    assert {work.passing for work in found if work.stage == "inverse"} == {3}


def test_a_missing_model_folder_is_an_error(values: dict[str, Any], tmp_path: Path) -> None:
    values["models"]["given"]["path"] = str(tmp_path / "none")
    with pytest.raises(UserError, match="not a model folder"):
        Budget(read_study(values)).stages()


def test_core_hours_count_training_starts_and_leans(values: dict[str, Any]) -> None:
    values["rebound"] = {"existence": values["rebound"]["existence"]}
    values["resistance"], values["claims"] = {}, {}
    study = read_study(values)
    jobs = [work for work in workload(study) if isinstance(work, Training)]
    shape, rate = shape_of(study.models["nano"]), CPU_CAUTION * CPU_FLOPS_PER_S
    flops = sum(training_flops_per_token(shape, it.length) * it.examples * it.length for it in jobs)
    trained = JOB_START_S * len(jobs) + flops / rate
    assert core_hours(study) == pytest.approx(trained / 3600)
    values["tasks"]["reviews"]["splits"]["lean"] = 40
    values["tasks"]["reviews"] |= {"lean_texts": 20, "held_out_tokens": 16}
    values["rebound"]["existence"]["lean"] = True
    study = read_study(values)
    tokens = cells(study) * 2 * 20 * (16 + study.tasks["reviews"].prompt_tokens)
    measured = tokens * training_flops_per_token(shape, 16) / 3 / rate
    assert core_hours(study) == pytest.approx((trained + measured) / 3600)
