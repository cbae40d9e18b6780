"""The Pareto law of leaf masses on samples of known laws."""

import numpy as np
import pytest

from elasticity.analysis.leaf_masses import LEAST_TAIL, fit_tail, nearest_law, pareto_tail


def sample(alpha: float, size: int, seed: int = 0) -> np.ndarray:
    return (alpha - 1) / alpha * (1 - np.random.default_rng(seed).random(size)) ** (-1 / alpha)


@pytest.mark.parametrize("alpha", [1.3, 2.5, 4.0])
def test_the_exponent_and_the_law_of_a_pareto_sample(alpha: float) -> None:
    masses = sample(alpha, 4000)
    fit = fit_tail(masses, 0, 40, np.random.default_rng(1))
    assert fit.low < alpha < fit.high
    assert fit.tail.alpha == pytest.approx(alpha, rel=0.15)
    assert fit.p > 0.1
    nearest, distance = nearest_law(masses)
    assert nearest == pytest.approx(alpha, rel=0.1)
    assert distance < 0.04


def test_the_exponent_is_that_of_the_likelihood_above_the_threshold() -> None:
    masses = sample(2.5, 500)
    tail = pareto_tail(masses, 0)
    assert tail is not None
    above = masses[masses >= tail.threshold]
    assert tail.leaves == len(above) >= LEAST_TAIL
    assert tail.alpha == pytest.approx(1 / np.mean(np.log(above / tail.threshold)))
    ordered = np.sort(above)
    law = 1 - (ordered / tail.threshold) ** -tail.alpha
    steps = np.arange(len(ordered) + 1) / len(ordered)
    assert tail.distance == pytest.approx(max(abs(steps[1:] - law).max(), abs(law - steps[:-1]).max()))


def test_a_tail_begins_where_the_law_begins() -> None:
    body = np.random.default_rng(2).uniform(0, 1, 3000)
    masses = np.concatenate([body, 2.0 * sample(3.0, 1000) / (2 / 3)])
    tail = pareto_tail(masses, 0)
    assert tail is not None
    assert 1.9 < tail.threshold < 4
    assert tail.alpha == pytest.approx(3, rel=0.15)


def test_other_laws_are_rejected() -> None:
    masses = np.random.default_rng(3).lognormal(sigma=0.5, size=5000)
    fit = fit_tail(masses, masses.min(), 30, np.random.default_rng(4))
    assert fit.tail.leaves < 2500
    assert nearest_law(np.random.default_rng(5).uniform(0, 2, 5000))[1] > 0.15


@pytest.mark.parametrize("masses", [np.ones(100), sample(2.0, LEAST_TAIL - 1)])
def test_equal_or_few_masses_have_no_tail(masses: np.ndarray) -> None:
    assert pareto_tail(masses, 0) is None
    assert np.isnan(fit_tail(masses, 0, 20, np.random.default_rng(0)).tail.alpha)
