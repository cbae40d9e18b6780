"""Token trees of texts against numbers counted by hand, and the theorem's rates against its formulas."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.jobs import ModelRates
from elasticity.analysis.tables.code_lengths import code_lengths_table
from elasticity.analysis.text_trees import (
    BitText,
    Corpora,
    MeasuredMasses,
    all_leaves,
    bits_of_bytes,
    bits_of_ids,
    code_lengths,
    held_out_rate,
    leaves_of,
    mass_distributions,
    mass_laws,
    measured_slopes,
    rates_of,
)
from elasticity.analysis.token_tree import TokenTree, cross_entropy_bits, joint
from elasticity.config.token_tree import TokenTrees, Union, held_out
from elasticity.plots.figure import FigureJob
from elasticity.plots.token_tree import token_tree


def text(bits: str) -> BitText:
    return BitText(bits, max(1, len(bits) // 8))


def settings(**values: object) -> TokenTrees:
    union = {"pretraining": "t/pretraining", "alignment": "t/positive", "perturbation": "t/negative"}
    return TokenTrees.model_validate({"unions": {"one": union}, "resamples": 20} | values)


def lengths(corpora: Corpora, held_out: Corpora, depth: int) -> "pd.Series[float]":
    return code_lengths(corpora, held_out, all_leaves(corpora, [depth])).iloc[0]


@pytest.fixture(scope="module")
def words() -> dict[str, list[BitText]]:
    """Texts of random words; D1 has those of D2 and of D3."""
    generator = np.random.default_rng(0)

    def some(names: list[str], number: int) -> list[BitText]:
        texts = (" ".join(generator.choice(names, 12)) for _ in range(number))
        return [BitText(bits_of_bytes(it), len(it)) for it in texts]

    good, bad = ["good", "fine", "nice", "a", "film"], ["bad", "dull", "poor", "a", "film"]
    return {"t/pretraining": some(good + bad, 300), "t/positive": some(good, 100), "t/negative": some(bad, 100)}


def test_bits_are_those_of_bytes_and_of_ids() -> None:
    assert bits_of_bytes("Aé") == "01000001" + "11000011" + "10101001"
    assert bits_of_bytes("") == ""
    assert bits_of_ids([0, 5, 2], vocabulary=6) == "000101010"


def test_blocks_are_cut_at_the_depth() -> None:
    assert text("0110100").blocks(4) == ["011", "010", "0"]
    assert text("0110100").blocks(4, "first") == ["011"]


@given(st.lists(st.text("01", min_size=1, max_size=20), min_size=1, max_size=5), st.integers(2, 6))
def test_blocks_are_the_leaves_of_the_pruned_tree_of_all_continuations(texts: list[str], depth: int) -> None:
    continuations = [bits[start:] for bits in texts for start in range(0, len(bits), depth - 1)]
    counts = leaves_of(map(text, texts), depth)
    shares = {leaf: count / counts.total() for leaf, count in counts.items()}
    assert shares == pytest.approx(TokenTree.of(continuations).pruned(depth).leaves)


def test_code_lengths_of_a_text_that_is_counted_by_hand() -> None:
    """The text aaab twice, in bytes (d = 9): a has 3/4, b has 1/4.

    H is 0.8113 bits, a Huffman word 1 bit; 32 bits are ⌈32 / 9⌉ = 4 blocks of ⌈0.8113⌉ bits. In the held-out text abc,
    a has a word of 1 bit and b of 2 bits, and c costs 2 bits and its own eight.
    """
    own = [BitText(bits_of_bytes("aaab"), 4)] * 2
    other = {"t/positive": [BitText(bits_of_bytes("abc"), 3)]}
    row = lengths({"t/positive": own}, other, 9)
    entropy = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert (row["texts"], row["utf8_bytes"], row["blocks"], row["leaves"]) == (2, 8, 8, 2)
    assert row["entropy_bits_per_byte"] == pytest.approx(entropy)
    assert row["huffman_bits_per_byte"] == 1
    assert row["ideal_bits_per_byte"] == 1
    assert row["held_out_bits_per_byte"] == pytest.approx((1 + 2 + 2 + 8) / 3)
    assert math.isnan(lengths({"t/positive": own}, {}, 9)["held_out_bits_per_byte"])


@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=6), st.sampled_from([5, 9, 12, 17]))
def test_huffman_codes_lie_within_a_bit_a_block_of_the_entropy(texts: list[str], depth: int) -> None:
    corpus = [BitText(bits_of_bytes(it), len(it)) for it in texts]
    row = lengths({"t/positive": corpus}, {}, depth)
    bits = row[["entropy_bits_per_byte", "huffman_bits_per_byte"]] * row["utf8_bytes"] / row["blocks"]
    assert bits.iloc[0] - 1e-9 <= bits.iloc[1] < bits.iloc[0] + 1
    assert held_out_rate(leaves_of(corpus, depth), corpus, depth) >= row["huffman_bits_per_byte"] - 1e-9


def test_masses_of_each_corpus_and_of_another_division() -> None:
    corpora = [[text("0011")], [text("00"), text("11")], [text("01")]]
    masses = MeasuredMasses.of(corpora, 3, "all")
    assert masses.probabilities().tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]
    moved = masses.probabilities(np.array([[1, 0, 0, 1], [0, 3, 0, 0], [0, 0, 1, 0]]))
    assert moved == pytest.approx(np.array([[1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [0, 1, 0]]))
    generator = np.random.default_rng(0)
    divisions = [masses.divided(generator) for _ in range(50)]
    assert {tuple(it[0]) for it in divisions} == {(0.5, 0.5, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)}
    assert {tuple(masses.resampled(generator)[1]) for _ in range(50)} == {(0.5, 0.5, 0), (1, 0, 0), (0, 1, 0)}


def test_rates_are_those_of_the_joint_tree_and_slopes_their_derivatives() -> None:
    generator, k, ell, step = np.random.default_rng(1), 5.0, 0.3, 1e-5
    p = generator.dirichlet(np.full(8, 0.7), size=3)
    trees = [TokenTree({format(leaf, "03b"): float(mass) for leaf, mass in enumerate(row)}) for row in p]
    together = joint(trees, [k, 1, ell])
    at = rates_of(p, k, ell, 8)
    expected = [(cross_entropy_bits(tree, together) - 3) * math.log(2) for tree in trees]
    assert at.rates[:, 0] == pytest.approx(expected)
    secant = (rates_of(p, k, ell + step, 8).rates - rates_of(p, k, ell - step, 8).rates) / (2 * step)
    assert at.slopes == pytest.approx(secant, rel=1e-6)
    assert k * at.slopes[0] + at.slopes[1] + ell * at.slopes[2] == pytest.approx(0, abs=1e-12)


def test_a_corpus_with_leaves_of_its_own_has_no_rate_but_slopes_for_the_others() -> None:
    p = np.array([[0.5, 0.5, 0], [1, 0, 0], [0.5, 0, 0.5]])
    at = rates_of(p, 2, 0, 2)
    assert np.isinf(at.rates[:, 0]).tolist() == [False, False, True]
    assert at.slopes[:2, 0] == pytest.approx([(1 - 0.5 * 0.5 / (2 / 3)) / 3, (1 - 0.5 / (2 / 3)) / 3])


def test_corpora_that_are_contained_have_the_published_signs_beyond_the_noise(words: dict[str, list[BitText]]) -> None:
    slopes = measured_slopes(words, settings(depths=(9,), ratios=(10.0,), perturbations=(0.0,)))
    rows = slopes[slopes["part"] == "all"].set_index("corpus")
    assert rows.loc["D1", "slope"] < 0 < rows.loc["D2", "slope"]
    assert rows.loc["D2", "slope"] == pytest.approx(-10 * rows.loc["D1", "slope"])
    assert rows.loc["D2", "corrected"] > 4 * rows.loc["D2", "error"]
    assert rows.loc["D2", "noise"] < 0


def test_slopes_of_texts_of_one_kind_are_zero_but_for_a_bias(words: dict[str, list[BitText]]) -> None:
    texts = words["t/pretraining"]
    alike = {"t/pretraining": texts[:100], "t/positive": texts[100:200], "t/negative": texts[200:]}
    slopes = measured_slopes(alike, settings(depths=(9,), ratios=(10.0,), perturbations=(0.0,)))
    assert (abs(slopes["corrected"]) < 4 * slopes["error"]).all()
    second = slopes[slopes["corpus"] == "D2"]
    assert (second["noise"] < 0).all()


def test_the_figure_draws_all_tables(words: dict[str, list[BitText]]) -> None:
    chosen = settings(depths=(5, 9), ratios=(10.0,), perturbations=(0.0,))
    leaves = all_leaves(words, chosen.depths)
    table = code_lengths(words, {"t/positive": words["t/positive"]}, leaves)
    laws, masses = mass_laws(leaves, chosen.resamples), mass_distributions(leaves)
    assert len(laws) == 3 * 2 * 2
    assert masses.groupby(["corpus", "depth"])["share"].max().eq(1).all()
    figure = token_tree(table, laws, masses, measured_slopes(words, chosen), FigureJob())
    assert len(figure.axes) == 4
    assert all(axis.get_ylabel() and axis.get_title() for axis in figure.axes)


def test_held_out_texts_are_of_the_same_kind() -> None:
    assert held_out("reviews/positive") == "reviews/held-out-positive"
    assert held_out("reviews/pretraining") == held_out("reviews/neutral") == "reviews/held-out-pretraining"
    assert Union.model_fields.keys() == {"pretraining", "alignment", "perturbation"}


def test_models_stand_beside_the_trees_of_the_same_texts() -> None:
    trees = pd.DataFrame(
        {"corpus": ["t/positive"] * 2, "depth": [9, 17], "held_out_bits_per_byte": [4.5, 4.0]},
    )
    rates = pd.DataFrame(
        {
            "base": ["nano"] * 3,
            "corpus": ["alignment", "alignment", "control"],
            "nats": [8 * math.log(2), 16 * math.log(2), 1.0],
            "utf8_bytes": [4, 4, 1],
        }
    )
    table = code_lengths_table(trees, [(rates, ModelRates(corpora={"alignment": "t/positive"}))])
    assert table.to_dict("records") == [
        {"base": "nano", "corpus": "t/positive", "texts": 2, "model": pytest.approx(3), "tree_9": 4.5, "tree_17": 4.0}
    ]
