"""Springs on made-up numbers whose slopes, exponents and forces have closed forms."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from elasticity.analysis.jobs import SpringBase, SpringRun, SpringsJob
from elasticity.analysis.springs import (
    AMOUNTS,
    DIFFERENCE,
    exponent,
    ratio_interval,
    sequential_amounts,
    spring_exponents,
    spring_ratios,
    spring_seeds,
    spring_table,
    trained_tokens,
)
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning

SIZES = {"pretraining": 8000, "perturbation": 20}
CORPORA = ("pretraining", "alignment", "perturbation", "control")
Delta = Callable[[str, int, int, int], float]
"""Δγ in bits per byte by corpus, |D1|, |D2|, |D3|."""


def series(corpus: str, d1: int, d2: int, d3: int) -> float:
    """Two springs in series: the same force pulls at both, in opposite directions."""
    signs = {"pretraining": -1 / d1, "alignment": 1 / d2, "perturbation": -1 / d3, "control": 0.0}
    return 3 * d3 / d2 * signs[corpus]


def tables(
    delta: Delta, seeds: tuple[int, ...] = (1, 2), noise: float = 0.0, d1s: tuple[int, ...] = (8000,)
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lengths and amounts of cells: texts of 4 bytes and 2 tokens; a base for each |D1|."""
    lengths, amounts = [], []
    cells = product(d1s, ("sequential", "joint"), seeds, (100, 200, 400), (0, 10, 20))
    for d1, training, seed, first, second in cells:
        d2, d3 = 5 * first, 2 * second
        cell: dict[str, Any] = {"training": training, "base": f"base-{d1}", "seed": seed}
        cell |= {"alignment_size": first, "inverse_size": second}
        amounts.append(cell | {"pretraining_tokens": d1, "alignment_tokens": d2, "perturbation_tokens": d3})
        for corpus in CORPORA:
            gamma = 2.0 + (delta(corpus, d1, d2, d3) if second else 0.0) * (1 + noise * (seed - 1.5))
            text = {"corpus": corpus, "tokens": 2, "utf8_bytes": 4, "nats": 4 * gamma * math.log(2)}
            lengths += [cell | text | {"nats": text["nats"] / 2}, cell | text | {"nats": 3 * text["nats"] / 2}]
    return pd.DataFrame(lengths), pd.DataFrame(amounts)


def test_the_slope_is_the_change_of_bits_per_byte_over_l() -> None:
    per_seed = spring_seeds(*tables(series))
    cell = per_seed.query("training == 'joint' and seed == 2 and alignment_size == 200 and inverse_size == 20")
    cell = cell.set_index("corpus")
    assert cell["k"].unique() == pytest.approx(8000 / 1000)
    assert cell["l"].unique() == pytest.approx(40 / 1000)
    assert cell.loc["alignment", "slope"] == pytest.approx(3 / 1000)
    assert cell.loc["pretraining", "slope"] == pytest.approx(-3 / 8000)
    assert cell.loc["control", "slope"] == pytest.approx(0)
    assert math.isnan(cell.loc["control", "trained_tokens"])


def test_springs_in_series_have_equal_forces_and_the_ratio_minus_k() -> None:
    per_seed = spring_seeds(*tables(series))
    ratios = spring_ratios(per_seed)
    assert len(ratios) == 2 * 3 * 2
    np.testing.assert_allclose(ratios["slope_ratio"], -ratios["k"])
    for column in ("force_ratio", "force_ratio_low", "force_ratio_high"):
        np.testing.assert_allclose(ratios[column], -1)
    forces = per_seed[per_seed["corpus"] == "alignment"]
    np.testing.assert_allclose(forces["force"], 2 * 3 * forces["l"])  # two bytes a token


def test_slopes_are_per_byte_and_forces_per_token() -> None:
    """Tokens of the alignment text that are twice as long: the same bits a byte are twice the bits a token."""
    lengths, amounts = tables(series)
    lengths.loc[lengths["corpus"] == "alignment", ["utf8_bytes", "nats"]] *= 2
    ratios = spring_ratios(spring_seeds(lengths, amounts))
    np.testing.assert_allclose(ratios["slope_ratio"], -ratios["k"])
    np.testing.assert_allclose(ratios["force_ratio"], -2)


def test_signs_are_those_that_the_intervals_settle() -> None:
    table = spring_table(spring_seeds(*tables(series, noise=0.2))).set_index("corpus")
    trained = table[table["training"] != DIFFERENCE]
    assert set(trained.loc["alignment", "sign"]) == {0}  # two seeds: t is 12.7
    table = spring_table(spring_seeds(*tables(series, seeds=(1, 2, 3, 4), noise=0.2))).set_index("corpus")
    trained = table[table["training"] != DIFFERENCE]
    assert set(trained.loc["alignment", "sign"]) == {1}
    assert set(trained.loc["pretraining", "sign"]) == {-1}
    assert set(trained.loc["control", "sign"]) == {0}


def test_joint_minus_sequential_is_paired_by_seed() -> None:
    lengths, amounts = tables(series, seeds=(1, 2, 3), noise=0.5)
    later = (lengths["training"] == "joint") & (lengths["inverse_size"] > 0) & (lengths["corpus"] == "control")
    lengths.loc[later, "nats"] += 4 * 0.25 * math.log(2)
    table = spring_table(spring_seeds(lengths, amounts))
    difference = table[(table["training"] == DIFFERENCE) & (table["corpus"] == "control")]
    for column in ("delta", "delta_low", "delta_high"):
        np.testing.assert_allclose(difference[column], 0.25)
    assert set(difference["sign"]) == {1}


def test_one_way_of_training_has_no_difference() -> None:
    lengths, amounts = (rows[rows["training"] == "sequential"] for rows in tables(series))
    assert set(spring_table(spring_seeds(lengths, amounts))["training"]) == {"sequential"}


def test_one_seed_has_no_signs_and_no_intervals() -> None:
    per_seed = spring_seeds(*tables(series, seeds=(1,)))
    assert spring_table(per_seed)["sign"].isna().all()
    ratios = spring_ratios(per_seed)
    assert ratios["force_ratio_low"].isna().all()
    np.testing.assert_allclose(ratios["force_ratio"], -1)


def test_exponents_are_exact_for_power_laws() -> None:
    def law(corpus: str, d1: int, d2: int, d3: int) -> float:
        return {"alignment": -0.5 / d2, "pretraining": 7 * d1**-1.5}.get(corpus, 0.1)

    d1s = (1000, 2000, 8000)
    per_seed = spring_seeds(*tables(law, d1s=d1s))
    found = spring_exponents(per_seed, {f"base-{d1}": "base" for d1 in d1s})
    alignment, pretraining = (found[found["corpus"] == corpus] for corpus in ("alignment", "pretraining"))
    assert len(alignment) == 2 * 3 * 2
    assert len(pretraining) == 2 * 3 * 2
    for column in ("exponent", "exponent_low", "exponent_high"):
        np.testing.assert_allclose(alignment[column].astype(float), -1, rtol=1e-6)
        np.testing.assert_allclose(pretraining[column].astype(float), -1.5, rtol=1e-6)
    assert set(alignment["base"]) == {"base-1000", "base-2000", "base-8000"}
    assert set(pretraining["model"]) == {"base"}


def test_there_is_no_exponent_of_one_pre_training_or_where_the_sign_changes() -> None:
    def law(corpus: str, d1: int, d2: int, d3: int) -> float:
        return 1 / (d2 - 900)

    found = spring_exponents(spring_seeds(*tables(law)), {"base-8000": "base"})
    assert set(found["corpus"]) == {"alignment"}
    assert found["exponent"].isna().all()


@given(st.floats(-3, 3), st.floats(0.1, 10), st.sampled_from([-1, 1]))
def test_the_exponent_of_a_power_law(power: float, factor: float, sign: int) -> None:
    sizes = pd.Series([10.0, 30.0, 100.0])
    assert exponent(sizes, sign * factor * sizes**power) == pytest.approx(power, abs=1e-9)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(3, 5)), min_size=3, max_size=6))
def test_the_bounds_of_a_ratio_are_where_the_t_test_is_undecided(pairs: list[tuple[float, float]]) -> None:
    numerators, denominators = map(np.array, zip(*pairs, strict=True))
    ratio, low, high = ratio_interval(numerators, denominators)
    if math.isnan(low):
        bounds = stats.t.interval(0.95, len(pairs) - 1, denominators.mean(), stats.sem(denominators))
        assert bounds[0] <= 1e-9
        return
    assert low <= ratio + 1e-9
    assert ratio <= high + 1e-9
    for bound in (low, high):
        residues = numerators - bound * denominators
        half = stats.t.ppf(0.975, len(pairs) - 1) * np.std(residues, ddof=1) / math.sqrt(len(pairs))
        assert abs(residues.mean()) == pytest.approx(half, abs=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("denominators", [[0.0, 0.0, 0.0], [-1.0, 0.0, 1.0], [0.0]])
def test_there_is_no_ratio_to_what_does_not_move(denominators: list[float]) -> None:
    numerators = np.arange(1.0, 1 + len(denominators))
    assert np.isnan(ratio_interval(numerators, np.array(denominators))).all()


def test_tokens_are_counted_up_to_a_checkpoint() -> None:
    losses = pd.DataFrame({"examples": [4, 4, 3], "tokens": [40, 50, 9]})
    assert [trained_tokens(losses, size) for size in (0, 4, 8, 11)] == [0, 40, 90, 99]
    with pytest.raises(ValueError, match="no update ends after 5"):
        trained_tokens(losses, 5)


def test_tokens_of_a_run_that_drops_its_last_batch_are_those_that_it_trained() -> None:
    """P = 10 and N = 7 in batches of 4 are 8 and 4 examples; in two epochs each counts once."""
    settings = FineTuning(learning_rate=1e-3, batch_size=4, max_length=8, last_batch="drop")
    job = SpringsJob(
        experiment=Rebound(task="t", bases=("b",), alignment_sizes=(10,), inverse_sizes=(0, 7)),
        seeds=(1,),
        alignment=settings.model_copy(update={"epochs": 2}),
        inverse=settings,
        bases=(SpringBase(base="b", model="b", examples=8),),
        runs=(SpringRun(base="b", seed=1, alignment_size=10, inverse_sizes=(0, 7)),),
    )
    whole = pd.DataFrame({"examples": [4, 4], "tokens": [40, 50]})
    twice = pd.DataFrame({"examples": [4] * 4, "tokens": [40, 50, 50, 40]})
    found = sequential_amounts(job, [whole], [twice], [whole])
    assert found[list(AMOUNTS)].to_numpy().tolist() == [[90, 90, 0], [90, 90, 40]]
