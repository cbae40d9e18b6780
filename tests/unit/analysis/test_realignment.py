import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.aggregation import rebound_seeds
from elasticity.analysis.jobs import RealignmentTableJob
from elasticity.analysis.table import read_csv, write_csv
from elasticity.analysis.tables.realignment import reached, realignment_seeds, realignment_table, return_table, returns
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning
from elasticity.evaluation.schemas import SCORES

TUNING = FineTuning(learning_rate=1e-3, batch_size=4, max_length=8)
EXPERIMENT = Rebound(
    task="reviews", bases=("nano",), alignment_sizes=(8, 16), inverse_sizes=(0, 6), realignment_sizes=(0, 8, 16, 32)
)


def job_of(**changes: Any) -> RealignmentTableJob:
    experiment = EXPERIMENT.model_copy(update=changes)
    return RealignmentTableJob(
        experiment=experiment, seeds=(1, 2), alignment=TUNING, inverse=TUNING, realignment=TUNING
    )


JOB = job_of()


def cell(score: float, seed: int | None = None, **where: Any) -> list[dict[str, Any]]:
    """Two prompts whose scores have this mean."""
    sides = {"alignment_side": "positive", "alignment_recipe": "alignment", "inverse_recipe": "inverse", "seed": seed}
    cell = {"base": "nano", **dict.fromkeys(SCORES.names[1:-2])} | (sides if seed else {}) | where
    return [cell | {"draw": 0, "prompt_id": f"p{i}", "score": score + d} for i, d in enumerate((-0.1, 0.1))]


def way(seed: int, first: int, aligned: float, end: float, back: list[float], **more: Any) -> list[dict[str, Any]]:
    rows = cell(aligned, seed, alignment_size=first, inverse_size=0) + cell(
        end, seed, alignment_size=first, inverse_size=6
    )
    for size, score in zip((0, 8, 16, 32), (end, *back), strict=True):
        where = {
            "alignment_size": first,
            "inverse_size": 6,
            "realignment_size": size,
            "realignment_recipe": "alignment",
        }
        rows += cell(score, seed, **(where | more))
    return rows


@pytest.fixture
def scores() -> pd.DataFrame:
    """The base at 0.5; after 8 positives 0.6, after 16 0.8; then 0.4; the way back is 0.4 and a realignment curve."""
    rows = cell(0.5)
    for seed in (1, 2):
        rows += way(seed, 8, 0.6, 0.4, [0.45, 0.55, 0.7])
        rows += way(seed, 16, 0.8, 0.4, [0.5, 0.55, 0.59])
    return pd.DataFrame(rows)


def test_cells_and_what_they_are_set_beside(scores: pd.DataFrame) -> None:
    table = realignment_table(realignment_seeds(scores, JOB), JOB)
    assert table["realignment_size"].tolist() == [0, 8, 16, 32] * 2
    assert table["realignment_updates"].tolist() == [0, 2, 4, 8] * 2
    assert not {"alignment_updates", "inverse_examples"} & set(table.columns)
    assert (table["seeds"] == 2).all()
    np.testing.assert_allclose(table["score"], [0.4, 0.45, 0.55, 0.7, 0.4, 0.5, 0.55, 0.59])
    np.testing.assert_allclose(table["aligned"], [0.6] * 4 + [0.8] * 4)
    np.testing.assert_allclose(table["first_alignment"], [0.5, 0.6, 0.8, np.nan] * 2)
    assert (table["score_low"] <= table["score"]).all()


def test_the_end_of_the_inverse_stage_is_size_0_even_without_a_checkpoint(scores: pd.DataFrame) -> None:
    without = scores[scores["realignment_size"] != 0]
    pd.testing.assert_frame_equal(
        realignment_seeds(without, job_of(realignment_sizes=(8, 16, 32))),
        realignment_seeds(scores, JOB),
        check_dtype=False,
    )


def test_other_realignment_stages_do_not_count(scores: pd.DataFrame) -> None:
    others = [
        *way(1, 8, 0.6, 0.4, [0.9, 0.9, 0.9], realignment_recipe="other")[4:],
        *way(1, 8, 0.6, 0.4, [0.9, 0.9, 0.9], inverse_size=5)[4:],
        *way(3, 8, 0.6, 0.4, [0.9, 0.9, 0.9]),
        *way(1, 4, 0.6, 0.4, [0.9, 0.9, 0.9]),
    ]
    more = pd.concat([scores, pd.DataFrame(others)])
    pd.testing.assert_frame_equal(realignment_seeds(more, JOB), realignment_seeds(scores, JOB))


def test_scores_of_inverse_stages_ignore_realignment_stages(scores: pd.DataFrame) -> None:
    """Whose rows have the sizes of an inverse stage, too."""
    alone = scores[scores["realignment_size"].isna()].drop(columns=["realignment_size", "realignment_recipe"])
    pd.testing.assert_frame_equal(rebound_seeds(scores, JOB), rebound_seeds(alone, JOB))


def test_half_of_what_was_lost(scores: pd.DataFrame) -> None:
    measures = returns(realignment_seeds(scores, JOB), JOB).set_index(["seed", "alignment_size", "measure"])
    assert measures["pair"].eq("").all()
    assert measures.loc[(1, 8, "lost"), "value"] == pytest.approx(0.2)
    # 0.5 is half way from 0.45 at 8 to 0.55 at 16; the base model was there from the start
    assert measures.loc[(2, 8, "return-half"), "value"] == pytest.approx(8 * 2**0.5)
    assert measures.loc[(2, 8, "first-half"), "value"] == 0
    # 0.6 is not reached within 32 examples; the first time it took the 8 that end there
    assert measures.loc[(1, 16, "return-half"), ["value", "low", "high"]].tolist() == [32, 32, math.inf]
    assert measures.loc[(1, 16, "first-half"), "value"] == pytest.approx(8)


def test_the_reversed_direction_is_the_same_upside_down(scores: pd.DataFrame) -> None:
    turned = scores.assign(
        score=-scores["score"], alignment_side=scores["alignment_side"].replace("positive", "negative")
    )
    job = job_of(direction="reversed")
    pd.testing.assert_frame_equal(
        returns(realignment_seeds(turned, job), job), returns(realignment_seeds(scores, JOB), JOB)
    )


def test_nothing_lost_or_nothing_known_is_missing(scores: pd.DataFrame) -> None:
    gained = scores.copy()
    gained.loc[(gained["inverse_size"] == 6) & (gained["alignment_size"] == 8), "score"] += 0.5
    measures = returns(realignment_seeds(gained, JOB), JOB)
    half = measures[measures["measure"] == "return-half"].set_index(["seed", "alignment_size"])
    assert half.loc[(1, 8), ["value", "low", "high"]].isna().all()
    assert half.loc[(1, 16), "value"] == 32
    job = job_of(inverse_sizes=(6,))
    blind = returns(realignment_seeds(scores, job), job)
    assert blind[["value", "low", "high"]].isna().all().all()


def test_medians_take_censored_seeds_as_infinite(scores: pd.DataFrame, tmp_path: Path) -> None:
    table = return_table(returns(realignment_seeds(scores, JOB), JOB)).set_index(["alignment_size", "measure"])
    assert table.loc[(16, "return-half"), ["seeds", "median", "censored"]].tolist() == [2, math.inf, 2]
    assert table.loc[(8, "return-half"), "median"] == pytest.approx(8 * 2**0.5)
    assert table.loc[(8, "return-half"), "censored"] == 0
    write_csv(table.reset_index(), tmp_path / "t.csv")
    assert math.isinf(
        read_csv(tmp_path / "t.csv").set_index(["alignment_size", "measure"]).loc[(16, "return-half"), "most"]
    )


CURVES = st.lists(st.floats(-1, 1), min_size=5, max_size=5)


@given(CURVES, st.floats(-1, 1))
def test_the_fitted_score_there_is_the_goal(scores: list[float], goal: float) -> None:
    """Brute force: the least-squares fit that never falls is the max of mins of means."""
    sizes = [0, 4, 8, 32, 64]

    def mean(i: int, j: int) -> float:
        return sum(scores[i : j + 1]) / (j + 1 - i)

    fit = [max(min(mean(i, j) for j in range(k, 5)) for i in range(k + 1)) for k in range(5)]
    value, low, high = reached(sizes, scores, goal)
    if high == math.inf:
        assert (value, low) == (64, 64)
        assert fit[-1] <= goal + 1e-9
        return
    assert value == low == high
    places = [0.0, 4.0, *(4 + 10 * (math.log2(size) - 2) for size in (8, 32, 64))]  # linear in these
    where = value if value <= 4 else 4 + 10 * (math.log2(value) - 2)
    there = float(np.interp(where, places, fit))
    assert there == pytest.approx(goal, abs=1e-6) or (value == 0 and fit[0] >= goal - 1e-9)
