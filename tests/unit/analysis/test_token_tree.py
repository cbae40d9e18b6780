import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.token_tree import (
    TokenTree,
    compression_rate,
    cross_entropy_bits,
    decoded,
    difference_rate,
    encoded,
    huffman_code,
    ideal_code_length,
    joint,
    mean_length_bits,
    ratio_rate,
)

RESPONSES = st.lists(st.text("01", max_size=6), min_size=1, max_size=30)
DEPTHS = st.integers(1, 7)
WEIGHTS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), st.floats(1e-6, 1), min_size=1, max_size=12)


def nodes(tree: TokenTree) -> set[str]:
    return {leaf[:length] for leaf in tree.leaves for length in range(len(leaf) + 1)}


def normal(weights: dict[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    return {symbol: weight / total for symbol, weight in weights.items()}


# Token tree


@given(RESPONSES)
def test_a_weight_is_the_share_of_responses_that_begin_so(responses: list[str]) -> None:
    tree = TokenTree.of(responses)
    for node in nodes(tree):
        share = sum(response.startswith(node) for response in responses) / len(responses)
        assert tree.weight(node) == pytest.approx(share)


@given(RESPONSES)
def test_a_weight_is_that_of_its_eos_and_of_its_children(responses: list[str]) -> None:
    tree = TokenTree.of(responses)
    for node in nodes(tree):
        below = tree.leaves.get(node, 0) + tree.weight(node + "0") + tree.weight(node + "1")
        assert tree.weight(node) == pytest.approx(below)


@given(RESPONSES, DEPTHS)
def test_pruning_keeps_the_weights_of_all_nodes_that_stay(responses: list[str], depth: int) -> None:
    tree = TokenTree.of(responses)
    pruned = tree.pruned(depth)
    assert max(map(len, pruned.leaves)) <= depth - 1
    assert pruned.weight("") == pytest.approx(1)
    assert all(pruned.weight(node) == pytest.approx(tree.weight(node)) for node in nodes(pruned))


def test_a_pruned_weight_goes_to_the_eos_of_the_parent() -> None:
    tree = TokenTree({"": 0.1, "0": 0.2, "01": 0.3, "011": 0.4})
    assert tree.pruned(2).leaves == pytest.approx({"": 0.1, "0": 0.9})
    assert tree.pruned(3).leaves == pytest.approx({"": 0.1, "0": 0.2, "01": 0.7})
    assert tree.pruned(1).leaves == pytest.approx({"": 1})


@given(RESPONSES, RESPONSES, DEPTHS)
def test_the_joint_tree_is_that_of_all_responses(first: list[str], second: list[str], depth: int) -> None:
    together = joint([TokenTree.of(first), TokenTree.of(second)], [len(first), len(second)])
    assert together.leaves == pytest.approx(TokenTree.of(first + second).leaves)
    parts = joint([TokenTree.of(first).pruned(depth), TokenTree.of(second).pruned(depth)], [len(first), len(second)])
    assert together.pruned(depth).leaves == pytest.approx(parts.leaves)


@given(RESPONSES, RESPONSES, DEPTHS)
def test_the_joint_rate_is_the_mean_of_the_rates_and_none_beats_its_own_code(
    first: list[str], second: list[str], depth: int
) -> None:
    trees = [TokenTree.of(first), TokenTree.of(second)]
    together = joint(trees, [len(first), len(second)])
    rates = [compression_rate(tree, together, depth) for tree in trees]
    mean = (len(first) * rates[0] + len(second) * rates[1]) / (len(first) + len(second))
    assert compression_rate(together, together, depth) == pytest.approx(mean)
    assert all(compression_rate(tree, tree, depth) <= rate + 1e-12 for tree, rate in zip(trees, rates, strict=True))


def test_what_a_code_was_not_made_for_costs_without_end() -> None:
    assert cross_entropy_bits(TokenTree({"0": 0.5, "1": 0.5}), TokenTree({"0": 1})) == math.inf


def test_ideal_code_length_of_uniform_leaves() -> None:
    """Eight leaves of three tokens need 3 bits; ten tokens are ⌈10 / 4⌉ = 3 blocks."""
    tree = TokenTree.of("".join(bits) for bits in product("01", repeat=3))
    assert tree.entropy_bits == pytest.approx(3)
    assert ideal_code_length("0" * 10, tree, 4) == 9
    assert ideal_code_length("0" * 4, tree, 4) == 3


def test_normalised_rates_of_two_leaves() -> None:
    """d = 2: two leaves, so uniform costs one bit for two tokens."""
    first, second = TokenTree({"0": 0.75, "1": 0.25}), TokenTree({"0": 0.25, "1": 0.75})
    together = joint([first, second], [3, 1])  # 0.625, 0.375
    rate = -(0.75 * math.log2(0.625) + 0.25 * math.log2(0.375)) / 2
    whole = -(0.625 * math.log2(0.625) + 0.375 * math.log2(0.375)) / 2
    assert compression_rate(first, together, 2) == pytest.approx(rate)
    assert difference_rate(first, together, 2) == pytest.approx(rate - 0.5)
    assert ratio_rate(first, together, 2) == pytest.approx((rate - 0.5) / (whole - 0.5))
    assert ratio_rate(together, together, 2) == pytest.approx(1)


# Huffman


@given(WEIGHTS)
def test_the_mean_length_is_within_a_bit_of_the_entropy(weights: dict[str, float]) -> None:
    weights = normal(weights)
    entropy = -math.fsum(weight * math.log2(weight) for weight in weights.values())
    length = mean_length_bits(weights, huffman_code(weights))
    assert entropy - 1e-9 <= length < entropy + 1


@given(WEIGHTS)
def test_kraft_and_no_word_begins_another(weights: dict[str, float]) -> None:
    words = list(huffman_code(weights).values())
    assert sum(2.0 ** -len(word) for word in words) == 1
    assert not any(a.startswith(b) for place, a in enumerate(words) for b in words[:place] + words[place + 1 :])


@given(st.dictionaries(st.text("abcd", min_size=1, max_size=2), st.floats(0, 1), min_size=2, max_size=9), st.data())
def test_what_is_packed_is_restored(weights: dict[str, float], data: st.DataObject) -> None:
    symbols = data.draw(st.lists(st.sampled_from(sorted(weights)), max_size=40))
    code = huffman_code(weights)
    assert list(decoded(encoded(symbols, code), code)) == symbols


def _full_trees(count: int) -> list[tuple[int, ...]]:
    """The depths of the leaves of every binary tree with so many leaves."""
    if count == 1:
        return [(0,)]
    return [
        tuple(depth + 1 for depth in left + right)
        for lefts in range(1, count)
        for left in _full_trees(lefts)
        for right in _full_trees(count - lefts)
    ]


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=5))
def test_no_other_tree_is_shorter(sizes: list[float]) -> None:
    weights = normal({str(place): size for place, size in enumerate(sizes)})
    ordered = sorted(weights.values(), reverse=True)
    lengths = (sorted(depths) for depths in _full_trees(len(sizes)))
    best = min(sum(weight * depth for weight, depth in zip(ordered, depths, strict=True)) for depths in lengths)
    assert mean_length_bits(weights, huffman_code(weights)) == pytest.approx(best)


def test_dyadic_weights_are_coded_at_their_entropy() -> None:
    code = huffman_code({"a": 0.5, "b": 0.25, "c": 0.125, "d": 0.125})
    assert {symbol: len(word) for symbol, word in code.items()} == {"a": 1, "b": 2, "c": 3, "d": 3}
    assert huffman_code({"only": 1.0}) == {"only": ""}
