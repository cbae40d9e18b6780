"""Fits of exponential relaxation."""

import numpy as np
import pytest
from scipy import optimize

from elasticity.analysis.relaxation import relaxation

SIZES = np.array([0, 100, 200, 500, 1000, 2000])
RANDOM = np.random.default_rng(0)


def test_the_time_of_an_exponential_is_found() -> None:
    time, fall, level = RANDOM.uniform([60, 0.05, -5], [4000, 3, 5], (100, 3)).T[..., None]
    times, left = relaxation(SIZES, level + fall * np.exp(-SIZES / time), 1)
    np.testing.assert_allclose(times, time, rtol=1e-4)
    np.testing.assert_allclose(left, 0, atol=1e-10)


def test_both_times_are_found() -> None:
    fast, slow, share = RANDOM.uniform([30, 500, 0.3], [80, 1500, 3], (100, 3)).T[..., None]
    times, left = relaxation(SIZES, np.exp(-SIZES / fast) + share * np.exp(-SIZES / slow), 2)
    np.testing.assert_allclose(np.sort(times), np.concatenate([fast, slow], axis=-1), rtol=1e-3)
    np.testing.assert_allclose(left, 0, atol=1e-10)


def test_one_phase_leaves_what_scipy_leaves() -> None:
    curves = 0.5 + 0.3 * np.exp(-SIZES / 400) + RANDOM.normal(0, 0.03, (5, 6))

    def model(n: "np.ndarray[tuple[int], np.dtype[np.float64]]", level: float, fall: float, time: float) -> object:
        return level + fall * np.exp(-n / time)

    for scores, left in zip(curves, relaxation(SIZES, curves, 1)[1], strict=True):
        found = optimize.curve_fit(model, SIZES, scores, [scores[-1], scores[0] - scores[-1], 400])[0]
        assert left == pytest.approx(np.square(scores - model(SIZES, *found)).sum(), rel=1e-4)


def test_levels_and_units_change_nothing() -> None:
    curves = RANDOM.random((50, 6))
    for phases in (1, 2):
        once, twice = (relaxation(SIZES, scores, phases)[1] for scores in (curves, 3 - 2 * curves))
        np.testing.assert_allclose(twice, 4 * once, rtol=1e-3)


def test_curves_are_fitted_each_for_itself() -> None:
    curves = RANDOM.random((2, 3, 6))
    times, left = relaxation(SIZES, curves, 2)
    assert times.shape == (2, 3, 2)
    assert left[1, 2] == pytest.approx(relaxation(SIZES, curves[1, 2], 2)[1], rel=1e-6)
