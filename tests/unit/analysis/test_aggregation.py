import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.aggregation import (
    base_draws,
    base_scores,
    base_table,
    over_seeds,
    rebound_seeds,
    rebound_table,
    t_interval,
)
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import write_csv
from elasticity.analysis.tables.bits_per_byte import bits_per_byte_table
from elasticity.analysis.tables.divergence import divergence_seeds
from elasticity.analysis.tables.resistance import (
    VALUES,
    distinctness,
    resistance_seeds,
    resistance_table,
    training_loss,
)
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning

RECIPES = ("alignment_recipe", "inverse_recipe")
NUMBERS = st.floats(-100, 100)


# Intervals


@given(NUMBERS, NUMBERS)
def test_the_interval_of_two_values_has_its_closed_form(a: float, b: float) -> None:
    """With one degree of freedom, t is Cauchy: its quantile is a tangent."""
    half = math.tan(0.475 * math.pi) * abs(a - b) / 2
    mean = (a + b) / 2
    assert t_interval(np.array([a, b])) == pytest.approx((mean, mean - half, mean + half), abs=1e-9)


@given(st.lists(NUMBERS, min_size=3, max_size=3))
def test_the_interval_of_three_values_has_its_closed_form(values: list[float]) -> None:
    """With two degrees of freedom, the quantile at (1 + c) / 2 is c √(2 / (1 − c²))."""
    mean = sum(values) / 3
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / 2)
    half = 0.95 * math.sqrt(2 / (1 - 0.95**2)) * deviation / math.sqrt(3)
    assert t_interval(np.array(values)) == pytest.approx((mean, mean - half, mean + half), abs=1e-9)


def test_a_single_seed_has_no_interval() -> None:
    mean, low, high = t_interval(np.array([0.25]))
    assert mean == 0.25
    assert math.isnan(low)
    assert math.isnan(high)


def test_groups_have_their_own_means_and_count_their_seeds() -> None:
    rows = pd.DataFrame({"base": ["b", "a", "b"], "x": [1.0, 5.0, 3.0]})
    table = over_seeds(rows, ["base"], ["x"])
    assert table[["base", "seeds", "x"]].to_numpy().tolist() == [["a", 1, 5.0], ["b", 2, 2.0]]
    assert table.loc[0, ["x_low", "x_high"]].isna().all()
    assert table.loc[1, "x_high"] - 2 == pytest.approx(math.tan(0.475 * math.pi))


# Rebound

JOB = ReboundTableJob(
    experiment=Rebound(task="reviews", bases=("nano", "big"), alignment_sizes=(8, 16), inverse_sizes=(0, 6)),
    seeds=(1, 2),
    alignment=FineTuning(learning_rate=1e-3, batch_size=3, max_length=8, last_batch="drop"),
    inverse=FineTuning(learning_rate=1e-3, batch_size=4, epochs=2, max_length=8),
)


def cell(base: str, *where: Any, scores: tuple[float, ...] = (1.0, 0.0)) -> list[dict[str, Any]]:
    names = ("alignment_side", "seed", "alignment_size", "inverse_size")
    values = dict(zip(names, where or (None,) * 4, strict=True))
    values |= {"alignment_recipe": "alignment", "inverse_recipe": "inverse"} if where else dict.fromkeys(RECIPES)
    found = [{"base": base, **values, "prompt_id": f"p{i}", "score": score} for i, score in enumerate(scores)]
    return [row | {"draw": 0} for row in found]


@pytest.fixture
def scores() -> pd.DataFrame:
    """The cells of the experiment, scored by their seed, and others that it does not ask for."""
    mine = [
        cell(base, "positive", seed, first, second, scores=(0.0, float(seed)))
        for base in ("nano", "big")
        for seed in (1, 2)
        for first in (8, 16)
        for second in (0, 6)
    ]
    others = [
        cell("nano"),
        cell("big", scores=(1.0, 1.0)),
        cell("other", "positive", 1, 8, 0),
        cell("nano", "negative", 1, 8, 0),
        cell("nano", "positive", 3, 8, 0),
        cell("nano", "positive", 1, 12, 0),
        cell("nano", "positive", 1, 8, 4),
    ]
    return pd.DataFrame([row for rows in [*others, *mine] for row in rows])


def test_only_the_cells_of_the_experiment_count(scores: pd.DataFrame) -> None:
    per_seed = rebound_seeds(scores, JOB)
    assert len(per_seed) == 2 * 2 * 2 * 2
    assert per_seed.groupby("base")["base_score"].unique().map(list).to_dict() == {"nano": [0.5], "big": [1.0]}
    assert (per_seed["score"] == per_seed["seed"] / 2).all()
    assert (per_seed["prompts"] == 2).all()


def test_a_rebound_table_has_a_row_for_each_cell_with_the_base_beside_it(scores: pd.DataFrame) -> None:
    table = rebound_table(rebound_seeds(scores, JOB), JOB, "score")
    cells = [(base, first, second) for base in ("nano", "big") for first in (8, 16) for second in (0, 6)]
    assert [*table[["base", "alignment_size", "inverse_size"]].itertuples(index=False, name=None)] == cells
    assert table["score"].tolist() == [0.75] * 8
    assert table["seeds"].tolist() == [2] * 8
    assert base_table(scores)["base_score"].to_dict() == {"big": 1.0, "nano": 0.5}
    assert base_scores(scores, (1, 2)).to_dict() == {
        ("big", 1): 1.0,
        ("big", 2): 1.0,
        ("nano", 1): 0.5,
        ("nano", 2): 0.5,
    }
    assert table["inverse_updates"].tolist() == [0, 3] * 4  # 6 examples, twice, in batches of 4
    assert table["inverse_examples"].tolist() == [0, 6] * 4
    assert table["alignment_examples"].tolist() == [6, 6, 15, 15] * 2  # of 8 and 16, in whole batches of 3
    assert table["alignment_updates"].tolist() == [2, 2, 5, 5] * 2


def drawn(count: int, prompts: int = 4) -> pd.DataFrame:
    """Scores of a base model with several draws."""
    random = np.random.default_rng(5)
    rows = [cell("nano", scores=tuple(random.random(prompts))) for _ in range(count)]
    return pd.DataFrame([row | {"draw": draw} for draw, those in enumerate(rows) for row in those])


@pytest.mark.parametrize(("count", "seeds"), [(9, (1, 2, 3)), (8, (1, 2, 3)), (4, (5, 9)), (3, (7, 8, 9)), (4, (3,))])
def test_each_seed_is_compared_with_draws_of_its_own(count: int, seeds: tuple[int, ...]) -> None:
    scores = drawn(count)
    found = base_draws(scores, seeds)
    assert len(found) == len(scores)
    assert sorted(found["draw"].unique()) == list(range(count))
    each = found.groupby("seed")["draw"].nunique()
    assert each.max() - each.min() <= 1
    means = base_scores(scores, seeds)
    if count % len(seeds) == 0:
        assert means.mean() == pytest.approx(base_table(scores).loc["nano", "base_score"])
    first = scores[scores["draw"].isin(range(0, count, len(seeds)))]
    assert means["nano", seeds[0]] == pytest.approx(first["score"].mean())


def test_seeds_share_draws_only_where_there_are_too_few() -> None:
    assert base_draws(drawn(2), (1, 2, 3)).groupby("seed")["draw"].unique().map(list).to_list() == [[0], [1], [0]]


def test_the_noise_of_the_base_model_is_that_of_its_draws() -> None:
    scores = drawn(6)
    means = scores.groupby("draw")["score"].mean().to_numpy()
    row = base_table(scores).loc["nano"]
    found = (row["base_score"], row["base_score_low"], row["base_score_high"])
    assert found == pytest.approx(t_interval(means))
    assert row["base_draws"] == 6


def test_the_spread_of_differences_over_seeds_holds_the_noise_of_the_base_model() -> None:
    """Where all models are the same, t tests over seeds against the base model reject as often as they should."""
    random, seeds, reject = np.random.default_rng(6), tuple(range(5)), 0
    for _ in range(400):
        base = pd.DataFrame(
            [row | {"draw": draw} for draw in range(5) for row in cell("nano", scores=tuple(random.normal(size=3)))]
        )
        differences = random.normal(size=(5, 3)).mean(axis=1) - base_scores(base, seeds).to_numpy()
        reject += bool(t_interval(differences)[1] > 0 or t_interval(differences)[2] < 0)
    assert 0.02 < reject / 400 < 0.085


def test_other_recipes_are_other_cells(scores: pd.DataFrame) -> None:
    others = scores[scores["alignment_side"].notna()].assign(inverse_recipe="dpo", score=9.0)
    pd.testing.assert_frame_equal(rebound_seeds(pd.concat([scores, others]), JOB), rebound_seeds(scores, JOB))


def test_divergence_is_nats_over_tokens_of_all_responses(scores: pd.DataFrame) -> None:
    cells = scores[scores["alignment_side"].notna()].assign(
        tokens=[1, 3] * (len(scores) // 2 - 2), nats=[1.0, 0.0] * (len(scores) // 2 - 2)
    )
    per_seed = divergence_seeds(cells, JOB)
    assert len(per_seed) == 16
    assert (per_seed["kl"] == 0.25).all()


# Resistance


def lengths(own: dict[int, list[float]], **tuned: list[float]) -> pd.DataFrame:
    """Code lengths of responses of 2 and 3 tokens; ``tuned`` by path."""
    rows = []
    for path, nats in tuned.items():
        start, target = int(path[1]), int(path[2])
        for i, tokens in enumerate((2, 3)):
            response = {"prompt_id": f"p{i}", "tokens": tokens, "tuned_nats": nats[i], "target_nats": own[target][i]}
            kl = start * (i + 1.0)
            rows.append({"start": start, "target": target, "examples": 4, "kl_nats": kl, **response})
            rows.append(rows[-1] | {"examples": 0, "kl_nats": 4 * kl, "tuned_nats": 9.0})
    return pd.DataFrame(rows)


def test_nats_per_token_are_sums_over_sums() -> None:
    table = resistance_seeds(lengths({1: [1.0, 2.0], 2: [2.0, 5.0]}, _12=[4.0, 6.0], _21=[3.0, 4.0]))
    columns = ["pair", "direction", "cross_entropy", "own_entropy", "kl", "kl_exact"]
    assert table["kl_before"].tolist() == pytest.approx([4 * (1 + 2) / 5, 4 * (2 + 4) / 5])
    assert table["closed"].tolist() == pytest.approx([0.75, 0.75])
    assert table[columns].to_numpy().tolist() == [
        ["1-2", "forward", 2.0, 1.4, pytest.approx(0.6), pytest.approx((1 + 2) / 5)],
        ["1-2", "inverse", 1.4, 0.6, pytest.approx(0.8), pytest.approx((2 + 4) / 5)],
    ]


@given(st.lists(st.floats(0, 50), min_size=6, max_size=6))
def test_kl_is_cross_entropy_less_own_entropy(nats: list[float]) -> None:
    table = resistance_seeds(lengths({1: nats[:2], 3: nats[2:4]}, _13=nats[4:], _31=nats[1:3]))
    assert table["kl"].tolist() == pytest.approx((table["cross_entropy"] - table["own_entropy"]).tolist(), abs=1e-9)


def test_a_model_does_not_diverge_from_itself() -> None:
    table = resistance_seeds(lengths({2: [1.3, 2.1], 3: [0.7, 5.5]}, _32=[1.3, 2.1], _23=[0.7, 5.5]))
    assert table["kl"].tolist() == [0.0, 0.0]


def test_forward_minus_inverse_is_taken_seed_by_seed() -> None:
    rows = [
        {"base": "nano", "pair": "1-2", "seed": seed, "direction": direction, "kl": kl}
        for seed, forward, inverse in ((1, 1.0, 0.5), (2, 3.0, 2.0))
        for direction, kl in (("forward", forward), ("inverse", inverse))
    ]
    per_seed = pd.DataFrame(rows)
    per_seed[[name for name in VALUES if name != "kl"]] = 0.0
    table = resistance_table(per_seed).set_index("direction")
    assert table["kl"].to_dict() == {"forward": 2.0, "inverse": 1.25, "forward - inverse": 0.75}
    half = math.tan(0.475 * math.pi) * 0.25
    assert table.loc["forward - inverse", "kl_high"] == pytest.approx(0.75 + half)


def test_distinct_texts_and_tokens_are_counted_by_slice() -> None:
    responses = [
        (1, "a b", [1, 2]),
        (1, "a b", [1, 2]),
        (1, "c", [3]),
        (1, "d a", [4, 1]),
        (2, "a", [1]),
        (2, "b", [2]),
    ]
    found = distinctness(pd.DataFrame(responses, columns=["slice", "response", "response_tokens"]))
    assert found["texts"].to_dict() == {1: 0.75, 2: 1.0}
    assert found["tokens"].to_dict() == {1: 4, 2: 2}


def test_the_training_loss_weighs_every_token_alike() -> None:
    assert training_loss(pd.DataFrame({"loss": [1.0, 5.0], "tokens": [30, 10]})) == 2.0


# Held-out texts and files


def test_bits_per_byte_are_sums_over_sums() -> None:
    rows = pd.DataFrame({"base": "nano", "corpus": "positive", "tokens": [3, 5], "utf8_bytes": [10, 30]})
    rows["nats"] = [20 * math.log(2), 40 * math.log(2)]
    (row,) = bits_per_byte_table(rows).to_dict("records")
    assert row == {"base": "nano", "corpus": "positive", "tokens": 8, "utf8_bytes": 40, "bits_per_byte": 1.5}


def test_a_table_for_people_has_six_digits(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"base": ["nano"], "score": [1 / 3], "score_low": [math.nan]}), tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == b"base,score,score_low\nnano,0.333333,\n"
