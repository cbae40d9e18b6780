"""Checks of measurements on made-up tables, and the verdict where one fails."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from elasticity.analysis.checks.inputs import CheckInputs, bounds
from elasticity.analysis.jobs import PlannedClaim, VerdictsJob
from elasticity.analysis.tables.checks import COLUMNS, checks_table
from elasticity.analysis.verdicts import verdict_seeds, verdict_table
from elasticity.config.checks import CHECKS
from elasticity.config.claims import Claim
from elasticity.config.measures import MEASURES

RISES = {8: [0.02, -0.03, 0.01, 0.0], 16: [0.2, 0.25, 0.15, 0.2]}


def measures(rises: dict[int, list[float]] = RISES, measure: str = "start") -> pd.DataFrame:
    rows = [
        {"base": "a", "seed": seed, "alignment_size": size, "pair": None, "measure": measure, "value": value}
        for size, values in rises.items()
        for seed, value in enumerate(values)
    ]
    table = pd.DataFrame(rows).astype({"alignment_size": "Int64", "pair": object})
    return table.assign(low=table["value"], high=table["value"])


def resistance(before: float, after: float, texts: float = 1.0, seeds: int = 4) -> pd.DataFrame:
    rows = [
        {"direction": direction, "seed": seed, "target": target, "kl_before": before, "texts": texts}
        | {"kl_exact": after + 0.001 * seed}
        for direction, target in (("forward", 2), ("inverse", 1))
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def inputs(**changes: Any) -> CheckInputs:
    return CheckInputs(**({"measures": measures(), "rebound": None, "resistance": None, "quality": {}} | changes))


def found(name: str, **changes: Any) -> tuple[float, bool] | None:
    checked = CHECKS[name].compute(inputs(**changes))
    return checked and (checked.value, checked.holds)


def test_every_measure_needs_checks_that_exist() -> None:
    for name in MEASURES.names():
        assert set(MEASURES[name].needs) <= set(CHECKS.names()), name


def test_a_lower_bound_is_that_of_a_one_sided_test() -> None:
    values = np.array(RISES[16])
    low, high = bounds(values)
    assert stats.ttest_1samp(values, low, alternative="greater").pvalue == pytest.approx(0.05)
    assert stats.ttest_1samp(values, high, alternative="less").pvalue == pytest.approx(0.05)
    assert math.isnan(bounds(values[:1]).low)


@pytest.mark.parametrize(
    ("rises", "holds", "more_seeds"),
    [([0.2, 0.25, 0.15], True, False), ([0.02, -0.03, 0.01], False, True), ([-0.2, -0.25, -0.15], False, False)],
)
def test_more_seeds_may_tell_where_the_mean_is_within_noise_of_0(
    rises: list[float], holds: bool, more_seeds: bool
) -> None:
    for name, measure in (("moved", "start"), ("lean-every-size-moved", "lean-start")):
        checked = CHECKS[name].compute(inputs(measures=measures({8: [9.0, 9.1, 9.2], 16: rises}, measure)))
        assert checked
        assert (checked.holds, checked.more_seeds) == (holds, more_seeds)


def test_the_largest_p_moved_the_base_and_the_smallest_did_not() -> None:
    assert found("moved") == (pytest.approx(bounds(np.array(RISES[16])).low), True)
    assert found("every-size-moved") == (pytest.approx(bounds(np.array(RISES[8])).low), False)
    assert found("moved", measures=measures({16: [0.3]})) is None


def test_the_score_model_is_judged_by_its_worst_corpus() -> None:
    quality = {"accuracy": 0.7, "share_positive": 0.52, "model text": {"accuracy": 0.55, "share_positive": 0.35}}
    assert found("score-model", quality=quality) == (0.55, False)
    assert found("score-model-centred", quality=quality) == (0.35, False)
    assert found("score-model", quality={"accuracy": 0.7, "auc": 0.76}) == (0.7, True)
    assert found("score-model-centred", quality={"accuracy": 0.7}) is None


def test_responses_are_text_unless_most_cells_have_a_warning() -> None:
    assert found("text", rebound=pd.DataFrame({"warning": [None, "short", None]})) == (pytest.approx(1 / 3), True)
    assert found("text", rebound=pd.DataFrame({"warning": ["short", "short", None]})) == (pytest.approx(2 / 3), False)
    assert found("text", rebound=pd.DataFrame({"score": [0.5]})) is None


def test_tuning_that_leads_away_from_the_target_fails() -> None:
    assert found("closer", resistance=resistance(0.05, 0.03)) == (pytest.approx(1 - 0.0315 / 0.05), True)
    away = found("closer", resistance=resistance(0.05, 0.3))
    assert away == (pytest.approx(1 - 0.3015 / 0.05), False)
    assert found("closer", resistance=resistance(0.05, 0.03, seeds=1)) is None


def test_few_distinct_texts_fail() -> None:
    assert found("distinct-twins", resistance=resistance(1, 1, texts=55 / 160)) == (pytest.approx(55 / 160), False)
    assert found("distinct-twins", resistance=resistance(1, 1, texts=0.99)) == (pytest.approx(0.99), True)


def test_a_claim_of_whose_checks_one_fails_is_not_testable_and_has_no_numbers() -> None:
    """Its family stays as large; a claim whose measure does not need the check is tested."""
    checks = checks_table({"a": inputs(quality={"accuracy": 0.69})})
    assert list(checks.columns) == COLUMNS
    values = {"hypothesis": "h", "experiment": "x", "direction": "greater", "role": "confirmatory", "seeds": 3}
    claims = {name: Claim.model_validate(values | {"measure": name}) for name in ("start", "initial-rate")}
    planned = tuple(
        PlannedClaim(name=n, claim=c, bases={"x": ("a",)}, figure="f", table="t") for n, c in claims.items()
    )
    job = VerdictsJob(claims=planned, seeds=(0, 1, 2, 3), experiments=("x",), tasks=(), rebound={})
    table = pd.concat([measures(), measures(measure="initial-rate")], ignore_index=True)
    numbers = verdict_seeds(job, {"x": table})
    verdicts = verdict_table(job, numbers, {}, checks={"x": checks}).set_index("claim")
    assert verdicts["verdict"].to_dict() == {"start": "confirmed", "initial-rate": "not testable"}
    row = verdicts.loc["initial-rate"]
    assert row[["effect", "low", "high", "p", "p_against", "p_adjusted"]].isna().all()
    assert verdicts["more_seeds"].to_dict() == {"start": False, "initial-rate": True}
    assert row["reason"].endswith("in x). More seeds may tell.")
    assert row["reason"].startswith("Some P did not raise the score of the base model by more than noise")
    assert "every-size-moved -0.0254" in row["checks"]
    assert "(not above 0)" in row["checks"]
    assert "score-model 0.69 (at least 0.6)" in row["checks"]
    assert verdicts.loc["start", "p_adjusted"] == pytest.approx(2 * verdicts.loc["start", "p"])
