"""p-values that hold for a look after each round of seeds, against simulation and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from elasticity.analysis.looks import after_looks, look_p_values, made, shares
from elasticity.config.decide import Decide

LOOKS = Decide(start=6, step=3, at_most=20).looks
DRAWS = 20_000


def test_looks_are_made_after_each_round_and_at_the_end() -> None:
    assert LOOKS == (6, 9, 12, 15, 18, 20)
    assert made(LOOKS, 12) == (6, 9, 12)
    assert made((), 7) == (7,)
    assert shares(LOOKS) == pytest.approx([0.3, 0.15, 0.15, 0.15, 0.15, 0.1])


def test_p_values_of_a_look_are_those_of_t_tests() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, (4, 9))
    greater, less = look_p_values(values, (6, 9), margin=0.5)
    assert greater[0] == pytest.approx(stats.ttest_1samp(values[:, :6], 0, axis=1, alternative="greater").pvalue)
    assert less[1] == pytest.approx(stats.ttest_1samp(values, 0.5, axis=1, alternative="less").pvalue)


@pytest.mark.parametrize("level", [0.05, 0.05 / 3, 0.01])
def test_without_an_effect_any_look_is_significant_as_rarely_as_the_level_says(level: float) -> None:
    """Within three Monte Carlo errors, and not far more rarely: nothing of the level is wasted."""
    values = np.random.default_rng(3).standard_normal((DRAWS, LOOKS[-1]))
    p = after_looks(np.stack(look_p_values(values, LOOKS)[0], axis=-1), LOOKS)
    rate = (p <= level).any(axis=1).mean()
    assert abs(rate - level) <= 3 * np.sqrt(level * (1 - level) / DRAWS) + 0.001
    unadjusted = (np.stack(look_p_values(values, LOOKS)[0], axis=-1) <= level).any(axis=1).mean()
    assert unadjusted > 2 * level


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_p_values_fall_with_looks_and_are_never_above_bonferroni(p: list[float]) -> None:
    found = after_looks(np.array(p), LOOKS)
    assert (np.diff(found) <= 0).all()
    assert found[-1] <= min(1.0, min(it / share for it, share in zip(p, shares(LOOKS), strict=False)))
    assert found[-1] >= min(p) * (1 - 1e-12) or found[-1] >= 1e-5


def test_a_single_look_changes_nothing_and_a_missing_test_is_no_evidence() -> None:
    assert after_looks(np.array([0.03]), (8,)).tolist() == [0.03]
    assert np.isnan(after_looks(np.array([np.nan]), (8,))).all()
    assert after_looks(np.array([np.nan, 1e-9]), LOOKS)[0] == 1


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_look_at_a_single_seed_is_no_evidence() -> None:
    """It has no t test, neither in the study nor in the simulated studies without an effect."""
    looks = (1, 2, 3)
    assert after_looks(np.array([np.nan, 0.9, 0.8]), looks)[-1] > 0.5
    values = np.random.default_rng(4).standard_normal((DRAWS, 3))
    p = after_looks(np.stack(look_p_values(values, looks)[0], axis=-1), looks)
    assert (p <= 0.05).any(axis=1).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        Decide(start=1, step=1, at_most=6)
