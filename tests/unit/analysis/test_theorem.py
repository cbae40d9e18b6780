"""The theorem's numbers against closed forms and other ways to compute them, and what docs/theory.md says of them."""

from itertools import permutations, product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special

from elasticity.analysis.theorem import (
    Array,
    Normalisation,
    Pareto,
    Rates,
    Reading,
    by_quadrature,
    derivative_errors,
    derivatives,
    expanded,
    exponential_integral,
    mixtures,
    turn,
    turn_of_small_variance,
)
from elasticity.analysis.theory import by_sampling, jackknife, stratified
from elasticity.analysis.token_tree import (
    TokenTree,
    cross_entropy_bits,
    difference_rate,
    huffman_code,
    joint,
    mean_length_bits,
    ratio_rate,
)

ALPHAS = (2.3, 3.0, 5.0, 10.0)
READINGS: tuple[Reading, ...] = get_args(Reading)
K = np.array([1.5, 2, 5, 10, 30, 100, 1000])
L = np.array([0, 0.01, 0.1, 0.3, 1, 0.1, 0])
LIMIT = np.zeros_like(K)


def slopes(alpha: float, reading: Reading, normalisation: Normalisation, k: Array, ell: Array) -> Array:
    return derivatives(by_quadrature(Pareto(alpha), mixtures(reading), k, ell)[0], normalisation, k, ell)


# The Pareto distribution


@pytest.mark.parametrize("alpha", ALPHAS)
def test_moments_and_transforms_are_integrals_over_quantiles(alpha: float) -> None:
    law = Pareto(alpha)

    def mean(function: object) -> float:
        return float(integrate.quad(lambda u: function(law.quantile(u)), 0, 1, limit=200)[0])  # type: ignore[operator]

    assert law.moment(1) == pytest.approx(1)
    assert law.moment(-1) == pytest.approx(alpha**2 / (alpha**2 - 1)) == pytest.approx(mean(lambda x: 1 / x))
    assert law.moment(2) - 1 == pytest.approx(1 / (alpha * (alpha - 2)))
    assert law.mean_log == pytest.approx(mean(np.log))
    assert law.mean_x_log == pytest.approx(mean(lambda x: x * np.log(x)), rel=1e-6)
    for order in (0, 1, 2):
        for rate in (0.01, 0.7, 1.4, 30):
            found = mean(lambda x, order=order, rate=rate: x**order * np.exp(-rate * x))
            assert law.transform(order, np.array(rate)) == pytest.approx(found, rel=1e-7)


@settings(max_examples=50)
@given(st.integers(2, 12), st.floats(0, 600))
def test_exponential_integral_of_whole_order_is_scipys(order: int, x: float) -> None:
    assert exponential_integral(order, np.array(x)) == pytest.approx(special.expn(order, x), rel=1e-12)


@settings(max_examples=50)
@given(st.floats(1.05, 12), st.floats(1e-9, 50))
def test_exponential_integrals_of_neighbouring_orders(order: float, x: float) -> None:
    low, high = (float(exponential_integral(p, np.array(x))) for p in (order, order + 1))
    assert order * high + x * low == pytest.approx(np.exp(-x), rel=1e-12)


# Quadrature


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_limit_has_a_closed_form(alpha: float) -> None:
    """At l = 0, γ2' is 1 / (k + 1) − E[w / (k + w)] with w = y / x, whose logarithm is a Laplace variable."""
    below = alpha / (2 * K * (alpha + 1)) * special.hyp2f1(1, alpha + 1, alpha + 2, -1 / K)
    above = special.hyp2f1(1, alpha, alpha + 1, -K) / 2
    exact = 1 / (K + 1) - below - above
    assert slopes(alpha, "independent", "difference", K, LIMIT)[1] == pytest.approx(exact, rel=1e-8)


def test_rates_against_an_integral_over_two_masses() -> None:
    law, k = Pareto(3.0), 4.0

    def inner(v: float, own: int) -> float:
        def integrand(u: float) -> float:
            masses = law.quantile(np.array([u, v]))
            return float(-masses[own] * np.log((k * masses[0] + masses[1]) / (k + 1)))

        return float(integrate.quad(integrand, 0, 1)[0])

    found = [integrate.quad(inner, 0, 1, args=(own,))[0] for own in (0, 1)]
    rates = by_quadrature(law, mixtures("independent"), np.array([k]), np.array([0.0]))[0].rates
    assert rates[:2, 0] == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("normalisation", get_args(Normalisation))
def test_derivatives_are_those_of_the_rates(reading: Reading, normalisation: Normalisation) -> None:
    law, step = Pareto(3.5), 1e-3
    k, ell = K[:4], L[:4] + 0.1

    def rates(at: Array) -> Array:
        found = by_quadrature(law, mixtures(reading), k, at)[0].rates
        together = (k * found[0] + found[1] + at * found[2]) / (k + 1 + at)
        return found[:2] if normalisation == "difference" else found[:2] / together

    numerical = (rates(ell + step) - rates(ell - step)) / (2 * step)
    assert slopes(law.alpha, reading, normalisation, k, ell) == pytest.approx(numerical, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("reading", READINGS)
def test_the_identity_holds_within_the_errors(alpha: float, reading: Reading) -> None:
    at, errors = by_quadrature(Pareto(alpha), mixtures(reading), K, L)
    rest = K * at.slopes[0] + at.slopes[1] + L * at.slopes[2]
    assert np.all(abs(rest) <= K * errors.slopes[0] + errors.slopes[1] + L * errors.slopes[2])
    found = derivatives(at, "difference", K, L)
    assert np.all(derivative_errors(at, errors, "difference", K, L) < 1e-4 * abs(found))


# Token trees


def test_a_large_token_tree_has_the_rates_of_the_theorem() -> None:
    """4,096 leaves at the last of 13 levels, with Pareto masses: bits a token times d, in nats."""
    law, depth, sizes = Pareto(5.0), 13, (4.0, 1.0, 0.5)
    masses = law.quantile(1 - np.random.default_rng(0).random((3, 2 ** (depth - 1))))
    names = [format(place, f"0{depth - 1}b") for place in range(2 ** (depth - 1))]
    trees = [TokenTree(dict(zip(names, row / row.sum(), strict=True))) for row in masses]
    together = joint(trees, sizes)
    at = by_quadrature(law, mixtures("independent"), np.array([sizes[0]]), np.array([sizes[2]]))[0]
    found = [difference_rate(tree, together, depth) * depth * np.log(2) for tree in trees]
    assert found == pytest.approx(at.rates[:, 0], abs=0.01)
    assert [ratio_rate(tree, together, depth) for tree in trees] == pytest.approx(
        [rate / np.average(found, weights=sizes) for rate in found]
    )


# Monte Carlo


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("normalisation", get_args(Normalisation))
def test_sampling_agrees_with_quadrature(reading: Reading, normalisation: Normalisation) -> None:
    law, k, ell = Pareto(5.0), np.array([2.0, 10.0]), np.array([0.3, 1.0])
    batches = by_sampling(law, stratified(np.random.default_rng(1), 500), mixtures(reading), k, ell)
    sampled, errors = jackknife(
        batches, lambda at: derivatives(at, normalisation, np.array(k)[:, None], np.array(ell)[:, None])
    )
    exact = slopes(law.alpha, reading, normalisation, k, ell)
    assert np.all(abs(sampled - exact) < 4.5 * errors)
    assert np.all(errors < 0.2 * abs(exact).max())


def test_every_stratum_of_a_batch_has_one_number_of_each_mass() -> None:
    uniforms = stratified(np.random.default_rng(0), 20)
    assert np.all(uniforms > 0)
    assert np.all(np.sort(np.ceil(uniforms * 20), axis=-1) == np.arange(1, 21))


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=(3, 2, 40))
    mean, error = jackknife(Rates(values, values), lambda at: at.rates)
    assert mean == pytest.approx(values.mean(axis=-1))
    assert error == pytest.approx(values.std(axis=-1, ddof=1) / np.sqrt(40))


# What follows for the theorem


@pytest.mark.parametrize("alpha", ALPHAS)
def test_independent_perturbations_worsen_the_larger_corpus_and_improve_the_smaller(alpha: float) -> None:
    k = np.array([1.01, 1.5, 2, 10, 100, 1e4])
    first, second = slopes(alpha, "independent", "difference", k, np.zeros_like(k))
    assert np.all(first > 0)
    assert np.all(second < 0)
    assert second == pytest.approx(-k * first, rel=1e-5)
    first, second = slopes(alpha, "independent", "difference", 1 / k, np.zeros_like(k))
    assert np.all(first < 0)
    assert np.all(second > 0)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_perturbations_like_the_larger_corpus_have_the_published_signs(alpha: float) -> None:
    first, second = slopes(alpha, "pretraining", "difference", K, L)
    assert np.all(first < 0)
    assert np.all(second > 0)
    assert second == pytest.approx(-(K + L) * first, rel=1e-5)
    first, second = slopes(alpha, "alignment", "difference", K, L)
    assert np.all(first > 0)
    assert second == pytest.approx(-K / (1 + L) * first, rel=1e-5)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("normalisation", get_args(Normalisation))
@pytest.mark.parametrize("alpha", [3.0, 5.0])
def test_the_expansion_is_approached(alpha: float, reading: Reading, normalisation: Normalisation) -> None:
    if (reading, normalisation) == ("contained", "ratio"):
        pytest.skip("the leading order is not known")
    k, ell = np.array([50.0, 500.0, 5000.0]), np.full(3, 0.3)
    found = slopes(alpha, reading, normalisation, k, ell)
    off = abs(found / expanded(Pareto(alpha), reading, normalisation, k, ell) - 1)
    assert np.all(off[:, 2] < 0.15)
    assert np.all(off[:, 2] < 0.4 * off[:, 1])


@pytest.mark.parametrize(("k", "turn"), [(2.0, 0.194), (5.0, 1.500), (10.0, 4.919), (100.0, 91.4)])
def test_large_independent_perturbations_worsen_both_corpora(k: float, turn: float) -> None:
    """α = 3: from l of about k on."""
    ell = np.array([0.99, 1.01]) * turn
    first, second = slopes(3.0, "independent", "difference", np.full(2, k), ell)
    assert np.all(first > 0)
    assert second[0] < 0 < second[1]


def test_the_first_versions_ratio_is_bounded_and_its_sign_turns() -> None:
    """α = 3, l = 0: both derivatives are positive up to k = 97 only, and from k = 2 on their ratio is below 0.6."""
    k = np.array([2.0, 10.0, 97.0, 98.0, 1e3, 1e4])
    first, second = slopes(3.0, "independent", "ratio", k, np.zeros_like(k))
    assert np.all(first > 0)
    assert np.sign(second).tolist() == [1, 1, 1, -1, -1, -1]
    assert np.all(abs(second / first) < 0.6)


@pytest.mark.parametrize(("leaves", "sign"), [(0.9, 1), (2.0, -1)])
def test_the_first_versions_signs_hang_on_the_number_of_leaves(leaves: float, sign: int) -> None:
    """With M other than 2^(d − 1) leaves, here by a factor, every rate is off by log M − log 2^(d − 1)."""
    k, ell = np.array([100.0, 1000.0]), np.zeros(2)
    at = by_quadrature(Pareto(3.0), mixtures("independent"), k, ell)[0]
    first, second = derivatives(Rates(at.rates + np.log(leaves), at.slopes), "ratio", k, ell)
    assert np.all(np.sign([first, second]) == sign)
    assert np.all(second / first < 2.2)


def test_for_heavy_tails_the_first_versions_signs_hold_for_all_large_ratios() -> None:
    def leading(alpha: float) -> float:
        one = np.ones(1)
        return float(expanded(Pareto(alpha), "independent", "ratio", one, one)[1, 0])

    assert optimize.brentq(leading, 2.1, 4) == pytest.approx(2.57, abs=0.01)
    assert leading(2.1) > 0 > leading(4)


def test_the_share_of_the_larger_corpus_from_which_the_published_signs_hold() -> None:
    """D3 drawn in part from D1's masses: at l = 0 its derivatives are the mean of those of the parts."""
    k = np.array([10.0, 100.0, 1000.0])
    independent, copied = (
        slopes(3.0, reading, "difference", k, 0 * k)[1] for reading in ("independent", "pretraining")
    )
    share = independent / (independent - copied)
    assert share == pytest.approx([0.72526, 0.96298, 0.99605], abs=1e-5)
    assert 1 - share[2] == pytest.approx(2 * (3 - 1) / ((3 - 2) * 1000), rel=0.02)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_even_the_opposite_of_the_alignment_corpus_improves_it(alpha: float) -> None:
    """γ2' k tends to 1 − E[y z] E[1/x], and that is below 0 for the least E[y z] of two masses of this distribution."""
    law = Pareto(alpha)
    opposite = law.scale**2 * special.beta(1 - 1 / alpha, 1 - 1 / alpha)
    u = np.linspace(0, 1, 2_000_001)[1:-1]
    assert np.mean(law.quantile(u) * law.quantile(1 - u)) == pytest.approx(opposite, rel=1e-2)
    assert opposite < 1 < opposite * law.moment(-1)


@pytest.mark.parametrize(("alpha", "limit"), [(3.0, 0.0369), (5.0, 0.0123), (10.0, 0.00291)])
def test_masses_high_where_pretraining_is_high_and_alignment_low_have_the_published_signs(
    alpha: float, limit: float
) -> None:
    """D3 as opposed as can be to w = y / x: γ2' = 1 / (k + 1) − E[w z / (k + w)] for l = 0."""
    law, k = Pareto(alpha), np.array([2.0, 10.0, 100.0, 1000.0])
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    w = np.where(u < 0.5, (2 * u) ** (1 / alpha), (2 * (1 - u)) ** (-1 / alpha))
    second = 1 / (k + 1) - np.array([np.mean(w * law.quantile(u) / (size + w)) for size in k])
    assert np.all(second > 0)
    closed = law.scale * 2 ** (-1 / alpha) * (4 ** (1 / alpha) + special.beta(1 - 1 / alpha, 1 - 1 / alpha)) / 2
    assert second[-1] * 1000 == pytest.approx(1 - closed, rel=0.1)
    assert 1 - closed == pytest.approx(limit, rel=0.02)


# The pre-training corpus contains text like the others


@pytest.mark.parametrize("alpha", ALPHAS)
def test_with_equal_thirds_the_published_signs_hold(alpha: float) -> None:
    """γ2' > 0 for every k and l, and γ1' < 0 for l below about one half."""
    ell = np.array([0, 0.01, 0.1, 0.3, 0.45])
    for k in (1.5, 10.0, 100.0, 1000.0):
        first, second = slopes(alpha, "contained", "difference", np.full(5, k), ell)
        assert np.all(first < 0)
        assert np.all(second > 0)
    _, second = slopes(alpha, "contained", "difference", np.full(3, 10.0), np.array([1.0, 10.0, 100.0]))
    assert np.all(second > 0)


@given(st.integers(0, 2**32 - 1), st.floats(1.1, 1000), st.floats(0, 10), st.floats(0, 1), st.floats(0, 1))
def test_the_alignment_corpus_suffers_if_pretraining_is_at_least_as_much_like_the_perturbation_as_unlike_both(
    seed: int, k: float, ell: float, of_second: float, more: float
) -> None:
    """For exchangeable masses of any distribution: here all orders of three numbers, equally likely."""
    values = np.random.default_rng(seed).lognormal(sigma=1.5, size=3)
    orders = np.array([values[list(order)] for order in permutations(range(3))]).T / values.mean()
    rest = 1 - of_second
    shares = np.array([rest * (1 - more) / 2, of_second, rest * (1 + more) / 2])  # the third at least the first
    q = k * shares @ orders + orders[1] + ell * orders[2]
    assert np.mean(orders[1] * orders[2] / q) <= 1 / (k + 1 + ell) + 1e-12


def test_the_slopes_that_a_published_summary_implies() -> None:
    """α = 4, k = 30, equal thirds, l = 0: γ1' = −3.17e-5, γ2' = 9.50e-4; the signs turn between .15 and .20."""
    k, ell = np.array([30.0]), np.zeros(1)
    assert slopes(4.0, "contained", "difference", k, ell)[:, 0] == pytest.approx([-3.16583e-5, 9.49749e-4], rel=1e-5)
    signs = []
    for share in (0.15, 0.2):
        at = by_quadrature(Pareto(4.0), mixtures("contained", share), k, ell)[0]
        signs.append(np.sign(at.slopes[:2, 0]).tolist())
    assert signs == [[1, -1], [-1, 1]]


@pytest.mark.parametrize(
    ("alpha", "turns"),
    [
        (3.0, [0.05463, 0.13477, 0.15434, 0.16182, 0.16513]),
        (4.0, [0.06715, 0.15151, 0.17059, 0.17777, 0.18093]),
        (5.0, [0.07370, 0.16017, 0.17899, 0.18601, 0.18910]),
        (10.0, [0.08436, 0.17419, 0.19258, 0.19935, 0.20231]),
    ],
)
def test_the_share_at_which_the_signs_turn(alpha: float, turns: list[float]) -> None:
    assert [turn(Pareto(alpha), k) for k in (2, 10, 30, 100, np.inf)] == pytest.approx(turns, abs=1e-5)


def test_light_tails_turn_where_small_variances_do() -> None:
    k = np.array([2.0, 30.0, np.inf])
    found = [turn(Pareto(1000.0), size) for size in k]
    assert found == pytest.approx(turn_of_small_variance(k), abs=1e-4)
    assert turn_of_small_variance(np.array([np.inf])) == pytest.approx((3 - np.sqrt(3)) / 6)


@given(st.floats(1.5, 1e4), st.floats(0, 2), st.floats(0, 1), st.floats(0, 1))
def test_the_condition_of_small_variance(k: float, ell: float, a: float, b: float) -> None:
    """1 − E[y z / j] is (c2 + c3 − Σ c²) times a small variance of the masses, with shares c of the sources."""
    low, high = sorted((a, b))
    shares = np.array([low, high - low, 1 - high])
    c = (k * shares + [0, 1, ell]) / (k + 1 + ell)
    step = 1e-4
    signs = np.array(list(product((-1, 1), repeat=3))).T  # masses 1 ± step, all eight cases equally likely
    masses = 1 + step * signs
    found = (1 - np.mean(masses[1] * masses[2] / (c @ masses))) / step**2
    assert found == pytest.approx(c[1] + c[2] - np.sum(c**2), abs=1e-5)


def test_a_share_of_zero_is_the_independent_reading() -> None:
    at, independent = (
        by_quadrature(Pareto(3.0), it, K, L)[0] for it in (mixtures("contained", 0), mixtures("independent"))
    )
    assert np.array(at) == pytest.approx(np.array(independent), rel=1e-10)


# Where the proof of the first version breaks


@pytest.mark.parametrize("alpha", [3.0, 5.0, 10.0])
def test_the_joint_rate_of_independent_corpora_changes_by_the_order_of_one_over_k(alpha: float) -> None:
    """k dH/dl tends to Δ = 1 / (α (α − 1)), so dH/dl is not of the order of 1/k²."""
    k = np.array([100.0, 1000.0, 10000.0])
    at = by_quadrature(Pareto(alpha), mixtures("independent"), k, 0 * k)[0]
    together = (k * at.rates[0] + at.rates[1]) / (k + 1)
    change = (at.rates[2] - together) / (k + 1)
    off = k * change * alpha * (alpha - 1) - 1
    assert np.all(abs(off) < [0.04, 0.005, 0.001])
    step = np.array([1e-4])
    rates = [by_quadrature(Pareto(alpha), mixtures("independent"), k[:1], ell)[0].rates for ell in (step, 3 * step)]
    joint_rates = [
        (100 * it[0] + it[1] + ell * it[2]) / (101 + ell) for it, ell in zip(rates, (step, 3 * step), strict=True)
    ]
    assert (joint_rates[1] - joint_rates[0]) / (2 * step) == pytest.approx(change[:1], rel=1e-3)


# The worked example of docs/theory.md


EXAMPLE = {
    "D1": np.array([1 / 2, 1 / 4, 1 / 8, 1 / 8]),
    "D2": np.array([1 / 8, 1 / 8, 1 / 4, 1 / 2]),
    "D3": np.full(4, 1 / 4),
}


def test_the_code_lengths_of_the_worked_example() -> None:
    names = ["00", "01", "10", "11"]
    weights = dict(zip(names, EXAMPLE["D1"], strict=True))
    code = huffman_code(weights)
    assert [len(code[name]) for name in names] == [1, 2, 3, 3]
    trees = {corpus: TokenTree(dict(zip(names, p, strict=True))) for corpus, p in EXAMPLE.items()}
    assert trees["D1"].entropy_bits == 1.75
    assert mean_length_bits(trees["D2"].leaves, code) == cross_entropy_bits(trees["D2"], trees["D1"]) == 2.625


@pytest.mark.parametrize(
    ("first", "third", "expected"),
    [
        ((1, 0, 0), (0, 0, 1), (0.0181, -0.0361)),
        ((1 / 3, 1 / 3, 1 / 3), (0, 0, 1), (-0.0112, 0.0224)),
        ((1, 0, 0), (1, 0, 0), (-0.0410, 0.0819)),
    ],
)
def test_the_slopes_of_the_worked_example(
    first: tuple[float, ...], third: tuple[float, ...], expected: tuple[float, float]
) -> None:
    masses = 4 * np.array(list(EXAMPLE.values()))
    x, y, z = np.array([first, (0, 1, 0), third]) @ masses
    q = 2 * x + y
    assert [1 / 3 - np.mean(it * z / q) for it in (x, y)] == pytest.approx(expected, abs=5e-5)
