"""Measures of trajectories: closed forms, brute force, and what must not change them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate

from elasticity.analysis.measures.inputs import Curves
from elasticity.analysis.measures.rebound import (
    area,
    crossing_end,
    crossing_start,
    end,
    initial_rate,
    matched_fall,
    non_increasing,
    overshoot,
    reversal_ratio,
    start,
    two_phase,
)

SIZES = np.array([0, 100, 200, 500, 1000, 2000])
SCORES = st.lists(st.integers(-64, 64), min_size=6, max_size=6).map(lambda scores: np.array(scores) / 64)
"""Sixty-fourths: sums and differences of them have no rounding."""
ARMS = st.lists(SCORES, min_size=2, max_size=4).map(np.array)
SHIFTS = st.integers(-64, 64).map(lambda shift: shift / 64)


def curve(sizes: Any, scores: Any, at: Any) -> Any:
    """Linear in N up to the first N > 0, then in log N: by numpy's interpolation on two pieces."""
    first = sizes[1]
    slow = np.interp(np.log(np.maximum(at, first)), np.log(sizes[1:]), scores[1:])
    return np.where(np.asarray(at) <= first, np.interp(at, sizes[:2], scores[:2]), slow)


# Start, end, crossing


def test_start_end_and_crossing_are_differences() -> None:
    scores = np.array([[0.75, 0.5, 0.5], [1.0, 0.5, 0.25]])
    sizes = np.array([0, 8, 16])
    assert start(Curves(sizes, scores, 0.5)).tolist() == [0.25, 0.5]
    assert end(Curves(sizes, scores, 0.5)).tolist() == [0.0, -0.25]
    assert (crossing_start(Curves(sizes, scores)), crossing_end(Curves(sizes, scores))) == (0.25, 0.25)


def test_many_curves_are_measured_at_once() -> None:
    """The same numbers as one by one."""
    rng = np.random.default_rng(0)
    scores, p, base = rng.random((3, 4, 6)), np.array([10, 20, 50, 100]), rng.random((3, 4))
    low, high = reversal_ratio(Curves(SIZES, scores, base, p))
    for i, j in np.ndindex(3, 4):
        one = scores[i, j]
        np.testing.assert_array_equal((low[i, j], high[i, j]), reversal_ratio(Curves(SIZES, one, base[i, j], p[j])))
        assert area(Curves(SIZES, scores, base))[i, j] == area(Curves(SIZES, one, base[i, j]))
        assert overshoot(Curves(SIZES, scores, base))[i, j] == overshoot(Curves(SIZES, one, base[i, j]))
        assert initial_rate(Curves(SIZES, scores))[i, j] == pytest.approx(initial_rate(Curves(SIZES, one)), nan_ok=True)
    np.testing.assert_array_equal(matched_fall(Curves(SIZES, scores))[1], matched_fall(Curves(SIZES, scores[1])))
    assert two_phase(Curves(SIZES, scores))[1, 2] == pytest.approx(two_phase(Curves(SIZES, scores[1, 2])), abs=1e-6)
    for crossing in (crossing_start, crossing_end):
        assert crossing(Curves(SIZES, scores))[2] == crossing(Curves(SIZES, scores[2]))


# Reversal ratio


@given(st.floats(50, 2000), st.integers(1, 10_000))
def test_the_reversal_ratio_is_where_a_known_curve_passes_the_base(passing: float, p: int) -> None:
    """A line in log N from the first N on, whose level is known at any N."""
    assume(100 < passing < 2000)
    scores = np.concatenate([[2.0], 1 - np.log(SIZES[1:] / 100)])
    low, high = reversal_ratio(Curves(SIZES, scores, 1 - np.log(passing / 100), p))
    assert low == high == pytest.approx(np.log2(passing / p))


@given(st.floats(1, 100))
def test_before_the_first_examples_it_is_linear(passing: float) -> None:
    scores = np.array([1, 0, 0, 0, 0, 0])
    low, high = reversal_ratio(Curves(SIZES, scores, 1 - passing / 100, 8))
    assert low == high == pytest.approx(np.log2(passing / 8))


def test_a_score_that_is_never_back_or_was_back_unseen_bounds_the_ratio() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.7, 0.6, 0.6])
    assert reversal_ratio(Curves(SIZES, scores, 0.5, 500)) == (2.0, np.inf)
    assert reversal_ratio(Curves(SIZES[1:], scores[1:], 0.8, 50)) == (-np.inf, 1.0)
    assert reversal_ratio(Curves(SIZES, scores, 0.6, 500)) == pytest.approx(
        (1.0, 1.0)
    )  # the first N that is down, at a size


@pytest.mark.parametrize("base", [0.9, 0.95])
def test_a_model_that_never_moved_away_has_no_reversal_ratio(base: float) -> None:
    """Otherwise a model that the alignment stage does not move would come back sooner than any other."""
    assert np.isnan(reversal_ratio(Curves(SIZES, np.array([0.9, 0.8, 0.7, 0.7, 0.6, 0.6]), base, 50))).all()


def test_scores_that_rise_again_are_averaged() -> None:
    """0.2 and 0.6 count as 0.4 at both: not below 0.3 at N = 100, but at N = 500."""
    scores = np.array([0.8, 0.2, 0.6, 0.0, 0.0, 0.0])
    assert non_increasing(scores).tolist() == pytest.approx([0.8, 0.4, 0.4, 0, 0, 0])
    low, high = reversal_ratio(Curves(SIZES, scores, 0.2, 1))
    assert low == high == pytest.approx(np.log2(np.sqrt(200 * 500)))


@given(SCORES, SHIFTS, SHIFTS)
def test_adding_a_constant_changes_nothing(scores: Any, base: float, shift: float) -> None:
    before, after = (reversal_ratio(Curves(SIZES, scores + more, base + more, 8)) for more in (0, shift))
    assume((np.isnan(before) == np.isnan(after)).all())  # averages may be rounded to a tie
    np.testing.assert_allclose(after, before, atol=1e-9)
    for measure in (initial_rate, matched_fall):
        arms = scores if measure is initial_rate else np.stack([scores, scores[::-1]])
        np.testing.assert_allclose(measure(Curves(SIZES, arms + shift)), measure(Curves(SIZES, arms)), atol=1e-9)
    assert area(Curves(SIZES, scores + shift, base + shift)) == pytest.approx(area(Curves(SIZES, scores, base)))
    assert overshoot(Curves(SIZES, scores + shift, base + shift)) == overshoot(Curves(SIZES, scores, base))


@given(SCORES, SHIFTS, st.integers(0, 32))
def test_a_higher_base_is_reached_earlier_and_bounds_are_in_order(scores: Any, base: float, more: int) -> None:
    later, earlier = (reversal_ratio(Curves(SIZES, scores, level, 8)) for level in (base, base + more / 64))
    assume(not np.isnan(earlier[0]))
    assert later[0] <= later[1]
    assert earlier[0] <= later[0] + 1e-12
    assert earlier[1] <= later[1] + 1e-12


@given(SCORES, SHIFTS)
def test_an_uncensored_ratio_is_where_the_falling_curve_is_at_the_base(scores: Any, base: float) -> None:
    low, high = reversal_ratio(Curves(SIZES, scores, base, 8))
    assume(np.isfinite(low) and np.isfinite(high))
    assert curve(SIZES, non_increasing(scores), 8 * 2**low) == pytest.approx(base, abs=1e-9)


# Rates and phases


@given(st.floats(100, 2000), st.lists(st.floats(0.1, 5), min_size=2, max_size=4))
def test_curves_that_relax_at_one_rate_have_one_initial_rate(time: float, falls: list[float]) -> None:
    scores = 0.3 + np.array(falls)[:, None] * np.exp(-SIZES / time)
    expected = (1 - np.exp(-100 / time)) / (1 - np.exp(-2000 / time)) / 100
    assert initial_rate(Curves(SIZES, scores)).tolist() == pytest.approx([expected] * len(falls))


def test_where_nothing_fell_there_is_no_initial_rate() -> None:
    scores = np.array([[0.5, 0.4, 0.4, 0.5, 0.5, 0.5], [0.5, 0.4, 0.4, 0.5, 0.5, 0.6]])
    assert np.isnan(initial_rate(Curves(SIZES, scores))).all()


def test_one_exponential_needs_one_phase_and_two_need_two() -> None:
    rng = np.random.default_rng(0)
    time, fall, fast, slow, share = rng.uniform([60, -3, 30, 500, 0.3], [4000, 3, 80, 1500, 3], (60, 5)).T[..., None]
    one = 0.5 + fall * np.exp(-SIZES / time)
    assert two_phase(Curves(SIZES, one)).tolist() == pytest.approx([-2 * np.log(6)] * 60)
    assert two_phase(Curves(SIZES, np.exp(-SIZES / fast) + share * np.exp(-SIZES / slow))).min() > 20


def test_a_shoulder_is_not_two_phases() -> None:
    """It would take amplitudes of different signs."""
    scores = 2 * np.exp(-SIZES / 800) - np.exp(-SIZES / 100)
    assert two_phase(Curves(SIZES, scores)) == pytest.approx(-2 * np.log(6))
    assert two_phase(Curves(SIZES, np.full(6, 0.5))) == pytest.approx(-2 * np.log(6))


# Area and overshoot


@given(SCORES, SHIFTS)
def test_the_area_is_the_integral_of_the_depth(scores: Any, base: float) -> None:
    depth, error = integrate.quad(
        lambda n: max(0.0, base - np.interp(n, SIZES, scores)), 0, 2000, points=SIZES[1:-1], limit=200
    )
    assert area(Curves(SIZES, scores, base)) == pytest.approx(depth / 2000, abs=1e-6 + error)


def test_area_and_overshoot_of_a_straight_line() -> None:
    """The line falls from 1 above the base to 3 below: it is below for three quarters, by 1.5 on average."""
    line = 1 - SIZES / 500
    assert area(Curves(SIZES, line, 0.0)) == pytest.approx(0.75 * 1.5)
    assert overshoot(Curves(SIZES, line, 0.0)) == 3.0
    assert overshoot(Curves(SIZES, line, -4.0)) == -1.0


# Matched fall


def brute_force(arms: Any) -> Any:
    """Walk along finely sampled curves."""
    fits = [non_increasing(arm) for arm in arms]
    grid = np.concatenate([np.linspace(0, 100, 4001), np.geomspace(100, 2000, 40_001)[1:]])
    level = min(fit[0] for fit in fits)
    sampled = [curve(SIZES, fit, grid) for fit in fits]
    if any(values[-1] > level for values in sampled):
        return [np.nan] * len(arms)
    passed = [grid[np.argmax(values <= level + 1e-12)] for values in sampled]
    further = 2000 - max(passed)
    return [level - curve(SIZES, fit, n + further) for fit, n in zip(fits, passed, strict=True)]


@given(ARMS)
def test_the_matched_fall_by_brute_force(arms: Any) -> None:
    found, expected = matched_fall(Curves(SIZES, arms)), brute_force(arms)
    if not np.isnan(found).any():  # an arm that passes at the last size has no further to go
        assert found.tolist() == pytest.approx(expected, abs=2e-3)
        assert (found >= 0).all()
    else:
        assert np.isnan(found).all()
        assert np.isnan(expected).any() or np.allclose(expected, 0, atol=1e-9)


def test_arms_that_pass_on_one_road_fall_alike() -> None:
    """Straight lines of one slope: where they start does not matter."""
    sizes = np.array([0, 1000])
    falls = matched_fall(Curves(sizes, np.array([[1.0, 0.0], [1.5, 0.5], [1.25, 0.25]])))
    assert falls.tolist() == pytest.approx([0.5] * 3)


# What cannot be measured


NEED_ZERO: dict[str, Any] = {
    "start": start,
    "crossing, start": crossing_start,
    "initial rate": initial_rate,
    "area": area,
    "matched fall": matched_fall,
}


@pytest.mark.parametrize("measure", NEED_ZERO.values(), ids=NEED_ZERO)
def test_what_needs_the_start_is_missing_without_it(measure: Any) -> None:
    scores = np.stack([np.linspace(1, 0, 6), np.linspace(0.8, 0.1, 6)])
    assert not np.isnan(measure(Curves(SIZES, scores, 0.5))).any()
    assert np.isnan(measure(Curves(SIZES[1:], scores[:, 1:], 0.5))).all()


def test_the_reversal_ratio_and_the_end_do_without_it() -> None:
    low, high = reversal_ratio(Curves(SIZES[1:], np.array([1, 0.5, 0.5, 0, 0]), 0.25, 1))
    assert low == high == pytest.approx(np.log2(np.sqrt(500 * 1000)))
    assert end(Curves(SIZES[1:], np.array([1, 0.5, 0.5, 0, 0]), 0.25)) == -0.25


def test_too_few_sizes_or_arms_measure_nothing() -> None:
    one = np.array([[1.0], [0.5]])
    found = [
        *(
            end(Curves(np.array([0]), one, 0.5)),
            initial_rate(Curves(SIZES[:2], one.repeat(2, 1))),
            area(Curves(np.array([0]), one, 0.5)),
        ),
        *(two_phase(Curves(SIZES[:5], one.repeat(5, 1))), *reversal_ratio(Curves(np.array([0]), one, 0.75, 8))),
        *(crossing(Curves(SIZES[:1], one)) for crossing in (crossing_start, crossing_end)),
        *(crossing(Curves(SIZES, np.ones((1, 6)))) for crossing in (crossing_start, crossing_end)),
        *(matched_fall(Curves(SIZES, np.ones((1, 6)))),),
    ]
    assert all(np.isnan(values).all() for values in found)


def test_a_missing_score_makes_its_curve_missing() -> None:
    scores = np.linspace(1, 0, 12).reshape(2, 6)
    scores[1, 2] = np.nan
    for values in (
        *reversal_ratio(Curves(SIZES, scores, 0.8, 8)),
        area(Curves(SIZES, scores, 0.5)),
        two_phase(Curves(SIZES, scores)),
    ):
        assert np.isnan(values).tolist() == [False, True]
    assert np.isnan(matched_fall(Curves(SIZES, scores))).all()
