from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elasticity.analysis.calibration import NULLS, calibration_table, measured
from elasticity.analysis.hypothesis_tests import LEVEL, row_effects
from elasticity.analysis.jobs import CalibrationJob, Design
from elasticity.analysis.measures.inputs import Curves
from elasticity.analysis.measures.rebound import overshoot, reversal_ratio
from elasticity.analysis.simulation import curves, responses, simulated, simulated_gaps, simulated_leans
from elasticity.analysis.table import read_csv, write_csv
from elasticity.config.calibration import Calibration
from elasticity.config.loading import read_study
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.plots.calibration import calibration
from elasticity.plots.figure import FigureJob
from elasticity.plots.style import save

DESIGN = Design(alignment_sizes=(40, 160, 640), inverse_sizes=(0, 24, 48, 96, 192, 384), seeds=20, prompts=120)
SHORT = Design(alignment_sizes=(40, 640), inverse_sizes=(0, 24, 96, 384), seeds=6, prompts=120)
SETTINGS = Calibration(draws=1000, run_offset=0.03, run_nats=0.05)
QUIET = Calibration(draws=50, run_offset=0, run_rate=0, prompt_spread=0)
SIZES = np.array(DESIGN.inverse_sizes, dtype=float)


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


# What is simulated


def test_a_relaxation_goes_one_way_to_one_floor() -> None:
    found = curves("relaxation", DESIGN, SETTINGS)
    above = found - (SETTINGS.base - SETTINGS.fall)
    shares = above / above[:, :1]
    np.testing.assert_allclose(shares, np.broadcast_to(shares[0], shares.shape))
    np.testing.assert_allclose(shares[0], np.exp(-4 * SIZES / 384))
    assert (np.diff(found[:, 0]) > 0).all()
    assert found[-1, 0] == SETTINGS.base + SETTINGS.gain


def test_proportional_is_the_boundary_of_the_reversal_ratio() -> None:
    sizes = np.array([0, *range(1, 700)], dtype=float)
    design = DESIGN.model_copy(update={"inverse_sizes": tuple(range(700))})
    low, high = reversal_ratio(
        Curves(sizes, curves("proportional", design, SETTINGS), SETTINGS.base, np.array([40, 160, 640]))
    )
    np.testing.assert_allclose([low, high], 0, atol=0.01)


def test_a_rebound_reverses_the_order() -> None:
    found = curves("rebound", DESIGN, SETTINGS)
    assert (np.diff(found[:, 0]) > 0).all()
    assert (np.diff(found[:, -1]) < 0).all()
    assert (np.diff(found, axis=1) < 0).all()
    assert np.diff(overshoot(Curves(SIZES, found, SETTINGS.base)))[0] > 0


def test_nothing_is_nothing() -> None:
    assert (curves("nothing", DESIGN, SETTINGS, np.full((5, 3, 1), 1.5)) == SETTINGS.base).all()


def test_scores_are_shares_of_prompts_around_the_curves() -> None:
    found = simulated(["relaxation", "rebound"], DESIGN.model_copy(update={"base_draws": 2}), QUIET, generator())
    assert found.outcomes.shape == (2, 50, 20, 3, 6)
    assert found.base.shape == (50, 20)
    np.testing.assert_allclose(found.outcomes * 120, np.round(found.outcomes * 120), atol=1e-9)
    means = found.outcomes.mean(axis=(1, 2))
    np.testing.assert_allclose(means[0], curves("relaxation", DESIGN, QUIET), atol=0.006)
    np.testing.assert_allclose(means[1], curves("rebound", DESIGN, QUIET), atol=0.006)
    assert found.base.std() == pytest.approx(np.sqrt(0.25 / 240), rel=0.1)


def test_prompts_are_as_easy_for_every_cell() -> None:
    drawn = responses(np.full((300, 2), 0.5), 50, 1.0, generator())
    first, second = drawn[:, 0].ravel(), drawn[:, 1].ravel()
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(1 / 3, abs=0.03)  # a third of the variance of 0 and 1
    drawn = responses(np.full((300, 2), 0.5), 50, 0.0, generator())
    assert np.corrcoef(drawn[:, 0].ravel(), drawn[:, 1].ravel())[0, 1] == pytest.approx(0, abs=0.03)


def test_seeds_differ_by_as_much_as_is_said() -> None:
    settings = Calibration(draws=50, run_offset=0.05, run_rate=0, prompt_spread=0)
    scores = simulated(["nothing"], DESIGN.model_copy(update={"prompts": 2000}), settings, generator()).outcomes[0]
    assert scores.mean(axis=-1).std() == pytest.approx(0.05, rel=0.1)


def test_gaps_have_their_means() -> None:
    settings = Calibration(draws=4000, run_nats=0.05)
    means = {
        gap: {name: values.mean() for name, values in simulated_gaps(gap, 3, settings, generator()).items()}
        for gap in ("alike", "entropies", "resistance")
    }
    for gap, kl, entropy in (("alike", 0, 0), ("entropies", 0, 0.1), ("resistance", 0.1, 0)):
        told = [means[gap][f"{name}-gap"] for name in ("kl", "entropy", "cross-entropy", "training-loss")]
        assert told == pytest.approx([kl, entropy, kl + entropy, kl + entropy], abs=0.005)


# How often tests reject


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    job = CalibrationJob(settings=SETTINGS, seeds=6, designs={"existence": SHORT}, resistance=("slices",))
    return calibration_table(job)


def rate(table: pd.DataFrame, measure: str, over: str, test: str, role: str) -> float:
    keys = zip(("measure", "over", "test", "role"), (measure, over, test, role), strict=True)
    (found,) = table[np.logical_and.reduce([table[name] == value for name, value in keys])]["rate"]
    return float(found)


def test_every_test_that_is_called_sized_rejects_what_is_true_at_most_at_its_level(table: pd.DataFrame) -> None:
    tried = table[table["role"] == "size"]
    sized = tried[tried["sized"].astype(bool)]
    assert (sized["rate"] <= 0.0707).all()  # three errors of a test at 0.05, of 1,000 draws: 0.0069 each
    assert (tried[~tried["sized"].astype(bool)]["rate"] > LEVEL).all()
    assert len(tried) == 2 * (len(NULLS) - 2 + 2 * 10 + 4)  # with so few sizes N two phases cannot be told


@pytest.mark.parametrize("test", ["t", "sign-flip"])
def test_a_crossing_is_found_where_there_is_one_and_not_in_a_relaxation(table: pd.DataFrame, test: str) -> None:
    assert rate(table, "crossing", "value", test, "size") <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / SETTINGS.draws)
    assert rate(table, "crossing", "value", test, "power") > 0.8


def test_measures_that_a_plain_relaxation_moves_too_are_not_called_sized(table: pd.DataFrame) -> None:
    wrong = table[(table["role"] == "size") & ~table["sized"].astype("boolean").fillna(True) & (table["test"] == "t")]
    found = {(str(m), str(o)) for m, o in zip(wrong["measure"], wrong["over"], strict=True)}
    assert {("reversal-ratio", "sizes"), ("area", "value"), ("cross-entropy-gap", "value")} <= found
    primary = {("crossing", "value"), ("crossing-end", "value"), ("kl-gap", "value"), ("matched-fall", "sizes")}
    assert not found & primary


def test_intervals_over_seeds_hold_the_noise_of_the_base_models_responses(table: pd.DataFrame) -> None:
    """Each seed is compared with responses of its own."""
    assert rate(table, "start", "value", "t", "size") <= LEVEL + 0.04
    assert rate(table, "start", "control", "t", "size") <= LEVEL + 0.04
    covered = table[(table["role"] == "coverage") & (table["measure"] == "start")].set_index(["test", "seeds"])["rate"]
    assert covered["t interval", 10] == pytest.approx(0.95, abs=0.07)  # of 100 experiments
    assert covered["clustered interval", 10] > 0.9


def test_a_plain_relaxation_has_no_second_phase() -> None:
    job = CalibrationJob(settings=SETTINGS.model_copy(update={"draws": 50}), seeds=5, designs={}, resistance=())
    better = measured(("relaxation",), DESIGN.model_copy(update={"seeds": 5}), job, 0)[0]["two-phase"][0].mean(axis=2)
    assert (row_effects(better)["p_greater"] <= LEVEL).mean() <= LEVEL + 0.09


def test_t_intervals_cover_and_the_percentile_bootstrap_does_not(table: pd.DataFrame) -> None:
    rows = table[(table["role"] == "coverage") & (table["measure"] == "crossing-end")].set_index(["test", "seeds"])
    for seeds in (3, 5, 6, 10):
        assert rows["sized"]["t interval", seeds]
        assert rows["rate"]["t interval", seeds] == pytest.approx(0.95, abs=0.04)
    bootstrap = [float(rows["rate"]["percentile bootstrap", seeds]) for seeds in (3, 5, 10)]
    assert bootstrap == pytest.approx([0.76, 0.83, 0.89], abs=0.05)
    assert all(fewer < more for fewer, more in pairwise(bootstrap))


def test_few_seeds_never_let_the_sign_flip_test_reject() -> None:
    job = CalibrationJob(
        settings=QUIET, seeds=3, designs={"existence": SHORT.model_copy(update={"seeds": 3})}, resistance=()
    )
    rows = calibration_table(job)
    assert (rows[rows["test"] == "sign-flip"]["rate"] == 0).all()


@pytest.mark.parametrize(("firsts", "seconds"), [((40,), (0, 8, 24)), ((40, 80), (8, 24)), ((40,), (24,))])
def test_measures_that_a_design_cannot_have_are_left_out(firsts: tuple[int, ...], seconds: tuple[int, ...]) -> None:
    design = Design(alignment_sizes=firsts, inverse_sizes=seconds, seeds=1, prompts=20)
    rows = calibration_table(CalibrationJob(settings=QUIET, seeds=1, designs={"a": design}, resistance=()))
    measures = set(rows["measure"])
    assert "end" in measures
    assert "two-phase" not in measures
    assert ("crossing-end" in measures) == (len(firsts) > 1)
    assert ("start" in measures) == (seconds[0] == 0)
    assert ("sizes" in set(rows["over"])) == (len(firsts) > 1)
    calibration(rows, FigureJob())


def test_the_same_seed_gives_the_same_numbers() -> None:
    job = CalibrationJob(settings=QUIET, seeds=2, designs={"a": SHORT}, resistance=())
    one, other = (measured(("rebound",), SHORT, job, 0)[0]["area"][0] for _ in range(2))
    np.testing.assert_array_equal(one, other)


# Figure and graph


def test_the_same_table_gives_the_same_figure(tmp_path: Path, table: pd.DataFrame) -> None:
    write_csv(table, tmp_path / "calibration.csv")
    read = read_csv(tmp_path / "calibration.csv")
    assert set(read["role"]) == {"size", "power", "coverage"}
    paths = [tmp_path / f"{name}.svg" for name in "ab"]
    for path in paths:
        save(calibration(read, FigureJob()), [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_tests_are_calibrated_only_if_the_study_says_so(values: dict[str, Any]) -> None:
    files = {"results/tiny/tables/calibration.csv", "results/tiny/figures/calibration.svg"}
    assert not files & set(Pipeline(read_study(values)).targets)
    plan = Pipeline(read_study(values | {"calibration": {"draws": 60}}))
    assert files <= set(plan.targets)
    job = CalibrationJob.model_validate_json(plan.tables["calibration"].job(SimpleNamespace()))
    assert (job.settings.draws, job.seeds, job.resistance) == (60, 2, ("slices",))
    assert job.designs["existence"] == Design(
        alignment_sizes=(8, 16), inverse_sizes=(0, 4, 8), seeds=2, prompts=6, base_draws=4
    )


def test_experiments_of_one_design_are_simulated_once(values: dict[str, Any]) -> None:
    values["rebound"]["again"] = values["rebound"]["existence"] | {"direction": "reversed"}
    assert list(Pipeline(read_study(values)).tables.calibration.designs()) == ["existence, again", "pretraining"]
    values["rebound"]["again"]["max_seeds"] = 1
    designs = Pipeline(read_study(values)).tables.calibration.designs()
    assert {name: design.seeds for name, design in designs.items()} == {"existence": 2, "again": 1, "pretraining": 2}


def test_scores_must_stay_shares() -> None:
    with pytest.raises(ValueError, match="at most 1"):
        Calibration(base=0.9)


def test_there_must_be_something_to_calibrate(values: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="there are none"):
        read_study(values | {"calibration": {}, "rebound": {}, "resistance": {}})


# Leans


LEANS = SHORT.model_copy(update={"outcome": "lean", "prompts": 1, "seeds": 20})
IN_BITS = SETTINGS.model_copy(update={"lean_run_offset": 0.003, "lean_seed_offset": 0.009})


def test_simulated_leans_are_the_curves_of_scores_in_bits() -> None:
    quiet = QUIET.model_copy(update={"lean_gain": 0.012})
    found = simulated_leans(["relaxation", "rebound"], LEANS, quiet, generator())
    assert found.outcomes.shape == (2, 50, 20, 2, 4)
    assert (found.base == 0).all()
    for place, scenario in enumerate(("relaxation", "rebound")):
        expected = (curves(scenario, LEANS, quiet) - quiet.base) * 0.012 / quiet.gain
        np.testing.assert_allclose(found.outcomes[place], np.broadcast_to(expected, found.outcomes[place].shape))
    assert found.outcomes[0, 0, 0, -1, 0] == pytest.approx(0.012)


def test_what_seeds_share_cancels_between_sizes_and_what_runs_have_of_their_own_does_not() -> None:
    many = IN_BITS.model_copy(update={"draws": 2000, "run_rate": 0.0})
    found = simulated_leans(["nothing"], LEANS, many, generator()).outcomes[0][..., 0]
    assert found.std() == pytest.approx(np.hypot(0.003, 0.009), rel=0.05)
    assert (found[..., 1] - found[..., 0]).std() == pytest.approx(0.003 * 2**0.5, rel=0.05)


def test_tests_of_leans_hold_their_level() -> None:
    settings = IN_BITS.model_copy(update={"draws": 1000})
    job = CalibrationJob(
        settings=settings, seeds=10, designs={"existence, lean": LEANS.model_copy(update={"seeds": 10})}, resistance=()
    )
    table = calibration_table(job)
    assert set(table["test"]) == {"t"}
    for measure in ("lean-start", "lean-end", "lean-crossing", "lean-crossing-start", "lean-crossing-end"):
        (rate,) = table[(table["measure"] == measure) & (table["over"] == "value") & (table["role"] == "size")]["rate"]
        assert rate <= LEVEL + 3 * 0.0069
    (power,) = table[(table["measure"] == "lean-start") & (table["over"] == "value") & (table["role"] == "power")][
        "rate"
    ]
    assert power > 0.5
