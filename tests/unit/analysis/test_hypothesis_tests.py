import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from elasticity.analysis.hypothesis_tests import (
    LEVEL,
    Array,
    Effect,
    adjusted,
    bounded_effect,
    clustered_difference,
    effect_of,
    intersection_union,
    row_effects,
    sign_flip,
)

NUMBERS = st.floats(-100, 100)
INF, NAN = math.inf, math.nan
few = settings(max_examples=20, deadline=None)


def brute_force(values: list[float]) -> tuple[float, float]:
    """p of every way to choose the signs, one after another."""
    observed = math.fsum(values)
    sums = [
        math.fsum(s * v for s, v in zip(signs, values, strict=True))
        for signs in itertools.product([1, -1], repeat=len(values))
    ]
    return sum(x >= observed - 1e-9 for x in sums) / len(sums), sum(x <= observed + 1e-9 for x in sums) / len(sums)


# One number a seed


def test_three_values_by_hand() -> None:
    """Mean 2, standard error 1/√3; with two degrees of freedom P(T > t) = (1 − t / √(2 + t²)) / 2."""
    effect = effect_of(np.array([1.0, 2.0, 3.0]))
    t = 2 * math.sqrt(3)
    half = 0.95 * math.sqrt(2 / (1 - 0.95**2)) / math.sqrt(3)
    assert (effect.mean, effect.low, effect.high) == pytest.approx((2, 2 - half, 2 + half))
    assert effect.p_greater == pytest.approx((1 - t / math.sqrt(2 + t * t)) / 2)
    assert effect.p_less == pytest.approx(1 - effect.p_greater)
    assert (effect.sign_greater, effect.sign_less, effect.floor, effect.seeds) == (1 / 8, 1, 1 / 8, 3)


@few
@given(st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=7), st.integers(-3, 3))
def test_sign_flips_are_enumerated(values: list[float], margin: int) -> None:
    effect = effect_of(np.array(values), margin)
    assert (effect.sign_greater, effect.sign_less) == brute_force([value - margin for value in values])
    assert effect.floor == 2.0 ** -len(values) <= effect.sign_greater


@few
@given(st.lists(NUMBERS, min_size=2, max_size=6), NUMBERS)
def test_a_margin_moves_the_values_and_signs_swap_the_sides(values: list[float], margin: float) -> None:
    numbers = np.round(np.array(values), 3)
    here, moved, turned = (effect_of(x, m) for x, m in ((numbers, margin), (numbers - margin, 0), (-numbers, -margin)))
    assert here.p_greater == pytest.approx(moved.p_greater, abs=1e-6)
    assert (here.sign_greater, here.sign_less) == (moved.sign_greater, moved.sign_less)
    assert (here.p_greater, here.sign_greater) == pytest.approx((turned.p_less, turned.sign_less), abs=1e-6)


@few
@given(st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=1, max_size=5))
def test_many_rows_are_many_tests(rows: list[list[float]]) -> None:
    together = row_effects(np.array(rows))
    for (_, row), values in zip(together.iterrows(), rows, strict=True):
        effect = effect_of(np.array(values))
        pairs = [(row[name], getattr(effect, name)) for name in together.columns]
        assert all(a == pytest.approx(b, abs=1e-9, nan_ok=True) for a, b in pairs)


def test_more_flips_than_can_be_listed_are_drawn() -> None:
    values = np.random.default_rng(1).normal(0.4, 1, (3, 12))
    exact, drawn = sign_flip(values), sign_flip(values, flips=2000)
    np.testing.assert_allclose(exact[0], drawn[0], atol=0.04)
    strong = effect_of(np.arange(1.0, 31.0))
    assert strong.sign_greater == strong.floor == pytest.approx(2**-20, rel=1e-5)


# What values may be


@pytest.mark.parametrize("values", [[0.25], [0.25, 0.25], [0.1 + 0.2, 0.3, 0.3]])
def test_values_without_spread_have_no_t_test_and_no_interval(values: list[float]) -> None:
    effect = effect_of(np.array(values))
    assert (effect.p_greater, effect.p_less) == (effect.sign_greater, effect.sign_less) == (2.0 ** -len(values), 1)
    assert math.isnan(effect.low)
    assert math.isnan(effect.high)
    assert effect.mean == pytest.approx(values[0])


def test_what_tables_round_is_no_spread() -> None:
    """Three times one response of 12, or of 300, as differences of shares with six digits: a t test would say 1e-11."""
    twelfths = np.array([0.583333, 0.0833333, 0.916667]) - [0.5, 0, 0.833333]
    assert len({*twelfths}) == 3
    assert effect_of(twelfths).p_greater == 1 / 8
    assert effect_of(np.array([0.996667 - 0.993333, 0.00333333, 0.336667 - 0.333333])).p_greater == 1 / 8
    steps = np.array([80, 81, 79]) / 160  # as close as scores of 160 prompts can be
    assert effect_of(steps).p_greater < 1e-4


def test_values_that_all_are_the_margin_speak_for_nothing() -> None:
    effect = effect_of(np.full(6, 0.5), 0.5)
    assert (effect.p_greater, effect.p_less, effect.sign_greater, effect.sign_less) == (1, 1, 1, 1)


def test_missing_values_are_left_out() -> None:
    assert effect_of(np.array([1, NAN, 2, 4])) == effect_of(np.array([1.0, 2.0, 4.0]))
    nothing = effect_of(np.array([NAN, NAN]))
    assert (nothing.seeds, nothing.floor) == (0, 1)
    assert all(math.isnan(getattr(nothing, name)) for name in ("mean", "low", "p_greater", "p_less", "sign_greater"))


@few
@given(st.lists(NUMBERS, min_size=2, max_size=5), st.sampled_from([[INF], [-INF], [INF, INF], [INF, -INF]]))
def test_infinite_values_are_limits(finite: list[float], infinite: list[float]) -> None:
    finite = [round(value, 2) for value in finite]
    limit = effect_of(np.array(finite + infinite))
    near = effect_of(np.array(finite + [math.copysign(1e9, value) for value in infinite]))
    assert (limit.p_greater, limit.p_less) == pytest.approx((near.p_greater, near.p_less), abs=1e-5)
    large = [math.copysign(1e5, value) for value in infinite]
    assert (limit.sign_greater, limit.sign_less) == brute_force(finite + large)
    if sum(infinite) > 0:
        assert (limit.mean, limit.high) == (INF, INF)


# Censored values


def test_each_direction_is_tested_on_its_unfavourable_bounds() -> None:
    low, high = np.array([1.0, 2.0, -INF, 1.5]), np.array([1.0, 3.0, 1.0, INF])
    effect = bounded_effect(low, high, 0.5)
    below, above = effect_of(low, 0.5), effect_of(high, 0.5)
    assert (effect.p_greater, effect.sign_greater, effect.low) == (below.p_greater, below.sign_greater, below.low)
    assert (effect.p_less, effect.sign_less, effect.high) == (above.p_less, above.sign_less, above.high)
    assert effect.mean == (1 + 2 + 1 + 1.5) / 4
    assert bounded_effect(low[:1], low[:1]).seeds == 1


@few
@given(st.lists(st.tuples(NUMBERS, st.floats(0, 9)), min_size=2, max_size=6))
def test_what_is_censored_is_never_surer_than_any_value_that_it_may_be(pairs: list[tuple[float, float]]) -> None:
    low = np.array([low for low, _ in pairs])
    high = low + [width for _, width in pairs]
    effect = bounded_effect(low, high)
    inside = effect_of((low + high) / 2)
    assert effect.sign_greater >= inside.sign_greater
    assert effect.sign_less >= inside.sign_less


def test_nothing_but_bounds_at_infinity_is_no_value() -> None:
    effect = bounded_effect(np.array([-INF, -INF]), np.array([INF, INF]))
    assert math.isnan(effect.mean)
    assert (effect.p_greater, effect.p_less) == (1, 1)
    assert math.isnan(bounded_effect(np.array([NAN]), np.array([NAN])).mean)


# Several parts

PART = effect_of(np.array([1.0, 2.0, 3.0, 5.0]))


def test_all_parts_must_hold_and_one_may_fail() -> None:
    other = replace(PART, mean=-1.0, low=-2.0, p_greater=0.7, p_less=0.3, sign_greater=0.6, sign_less=0.4)
    both = intersection_union([PART, other])
    assert (both.mean, both.low, both.p_greater, both.sign_greater) == (-1, -2, 0.7, 0.6)
    assert (both.p_less, both.sign_less) == pytest.approx((0.6, 0.8))
    assert intersection_union([PART]) == PART
    assert intersection_union([PART, PART]).p_less == 1.0


def test_a_part_that_is_missing_leaves_all_open_and_lets_another_refute() -> None:
    refuting = replace(PART, p_less=0.01)
    both = intersection_union([refuting, effect_of(np.array([NAN]))])
    assert math.isnan(both.p_greater)
    assert math.isnan(both.mean)
    assert both.p_less == 0.02
    assert (both.seeds, both.floor) == (0, 1)


@pytest.mark.parametrize(("other", "claimed", "against"), [(9, 0.05, 0.025), (0, 0.0025, 0.049375)])
def test_all_are_claimed_and_one_is_denied_as_often_as_the_level_lets(
    other: int, claimed: float, against: float
) -> None:
    """One part is at its margin. Both are confirmed if each is, and refuted if one is, at half the level."""
    generator, draws = np.random.default_rng(5), 2000
    parts = [
        [Effect(**row) for row in row_effects(generator.normal(mean, 1, (draws, 5))).to_dict(orient="records")]
        for mean in (0, other)
    ]
    found = [intersection_union(both) for both in zip(*parts, strict=True)]
    for expected, rate in (
        (claimed, np.mean([both.p_greater <= LEVEL for both in found])),
        (against, np.mean([both.p_less <= LEVEL for both in found])),
    ):
        assert rate == pytest.approx(expected, abs=3 * math.sqrt(expected * (1 - expected) / draws))


# Families


def test_holm_by_hand() -> None:
    """0.01 × 4, 0.02 × 3, then 0.03 × 2 which may not fall below, 0.04 × 1 likewise."""
    assert adjusted([0.04, 0.01, 0.03, 0.02], "confirmatory") == pytest.approx([0.06, 0.04, 0.06, 0.06])


def test_benjamini_and_hochberg_by_hand() -> None:
    """From the largest on, the values are 0.8, min(0.8, 0.039 × 4 / 3), min(that, 0.03 × 2), min(that, 0.02)."""
    assert adjusted([0.8, 0.005, 0.039, 0.03], "exploratory") == pytest.approx([0.8, 0.02, 0.052, 0.052])


def test_what_could_not_be_tested_stays_in_the_family() -> None:
    first, missing = adjusted([0.02, NAN], "confirmatory")
    assert first == 0.04
    assert math.isnan(missing)
    assert adjusted([], "exploratory") == []
    assert adjusted([0.03], "exploratory") == [0.03]


def test_adjusting_raises_and_keeps_the_order() -> None:
    p = np.round(np.random.default_rng(0).random(30) ** 3, 2).tolist()
    for found in (adjusted(p, "confirmatory"), adjusted(p, "exploratory")):
        assert all(p[i] - 1e-12 <= found[i] <= 1 for i in range(len(p)))
        assert all(found[i] <= found[j] for i in range(len(p)) for j in range(len(p)) if p[i] <= p[j])


# Clusters


def crossed(seeds: int, prompts: int, generator: np.random.Generator) -> tuple[pd.DataFrame, Array]:
    table = generator.normal(0.3, 0.2, (seeds, prompts)) + generator.normal(0, 0.5, (seeds, 1))
    table += generator.normal(0, 0.4, prompts)
    rows = [(seed, f"p{prompt}", table[seed, prompt]) for seed in range(seeds) for prompt in range(prompts)]
    return pd.DataFrame(rows, columns=["seed", "prompt_id", "difference"]), table


def test_the_sandwich_directly() -> None:
    """Sums of residuals over seeds and over prompts, squared, less each residual squared; small-sample corrections."""
    seeds, prompts = 4, 12
    frame, table = crossed(seeds, prompts, np.random.default_rng(3))
    count, residuals = seeds * prompts, table - table.mean()

    def variance(sums: Array, clusters: int) -> float:
        return float((sums**2).sum() / count**2 * clusters / (clusters - 1) * (count - 1) / (count - 1))

    by_seed, by_prompt = variance(residuals.sum(1), seeds), variance(residuals.sum(0), prompts)
    two_way = by_seed + by_prompt - variance(residuals.ravel(), count)
    assert two_way > max(by_seed, by_prompt)
    half = stats.t.ppf(0.975, seeds - 1) * math.sqrt(two_way)
    expected = (table.mean(), table.mean() - half, table.mean() + half)
    assert clustered_difference(frame.sample(frac=1, random_state=0)) == pytest.approx(expected)


def test_a_two_way_variance_may_be_negative() -> None:
    frame = pd.DataFrame(
        [(s, p, (s - 0.5) * (p - 0.5)) for s in (0, 1) for p in (0, 1)], columns=["seed", "prompt_id", "difference"]
    )
    mean, low, high = clustered_difference(frame)
    assert (mean, low, high) == pytest.approx((0, 0, 0))


def test_clusters_of_seeds_alone_are_the_t_interval_over_seeds() -> None:
    frame, table = crossed(5, 30, np.random.default_rng(0))
    only = frame.assign(difference=np.repeat(table.mean(1), 30))
    effect = effect_of(table.mean(1))
    assert clustered_difference(only) == pytest.approx((effect.mean, effect.low, effect.high), rel=1e-6)


def test_one_seed_or_no_difference_has_no_interval() -> None:
    one = pd.DataFrame({"seed": [1, 1], "prompt_id": ["a", "b"], "difference": [0.0, 1.0]})
    mean, low, high = clustered_difference(one)
    assert mean == 0.5
    assert math.isnan(low)
    assert math.isnan(high)
    assert all(math.isnan(x) for x in clustered_difference(one.assign(difference=NAN)))
