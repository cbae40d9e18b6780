"""How many examples bring a model back to its base."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.published import reversion_size


@given(st.floats(0.02, 5), st.floats(20, 500))
def test_an_exponential_decay_reverts_where_it_crosses(start: float, scale: float) -> None:
    sizes = list(range(0, 5000, 50))
    found = reversion_size(sizes, [start * math.exp(-size / scale) for size in sizes])
    assert found == pytest.approx(scale * math.log(start / 0.01), rel=1e-6)


@given(st.lists(st.floats(0.01, 5), min_size=1))
def test_a_model_that_never_reverts_has_no_size(kls: list[float]) -> None:
    assert reversion_size(range(len(kls)), kls) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_the_size_lies_between_the_neighbours_of_the_first_crossing(kls: list[float]) -> None:
    sizes = [100 * i for i in range(len(kls))]
    found = reversion_size(sizes, kls, 0.5)
    below = [i for i, kl in enumerate(kls) if kl < 0.5]
    if not below:
        assert found is None
    else:
        assert found is not None
        assert sizes[max(below[0] - 1, 0)] <= found <= sizes[below[0]]


def test_a_later_rise_does_not_count() -> None:
    assert reversion_size([0, 100, 200], [0.1, 0.001, 0.1]) == pytest.approx(50)


@pytest.mark.parametrize(("kls", "size"), [([0.001, 0.0005], 0), ([0.2, 0.0], 100)])
def test_without_a_neighbour_or_a_logarithm_it_is_the_size_itself(kls: list[float], size: int) -> None:
    assert reversion_size([0, 100], kls) == size
