"""Verdicts on made-up measures whose effects, bounds and p-values have closed forms."""

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from elasticity.analysis.aggregation import base_scores, rebound_seeds
from elasticity.analysis.calibration import calibration_table
from elasticity.analysis.jobs import CalibrationJob, Design, PlannedClaim, ReboundTableJob, VerdictsJob
from elasticity.analysis.verdict_reasons import error_rates, sentence
from elasticity.analysis.verdicts import COLUMNS, claim_values, prompt_measures, verdict_seeds, verdict_table
from elasticity.config.calibration import Calibration
from elasticity.config.claims import Claim, claims_digest, declared, telling_p
from elasticity.config.experiments import Rebound
from elasticity.config.training import FineTuning
from elasticity.plots.figure import FigureJob
from elasticity.plots.style import save
from elasticity.plots.verdicts import forest

INF, NAN = math.inf, math.nan
UP = [1.0, 1.1, 0.9, 1.05, 0.95]
"""Five seeds: mean 1, clearly above 0."""

Bounds = float | tuple[float, float]


@pytest.fixture(autouse=True, scope="module")
def quick_collections() -> Iterator[None]:
    """Statsmodels collects garbage each time that it adjusts p-values: half a second beside all that tests import."""
    gc.freeze()
    yield
    gc.unfreeze()


def claim(measure: str = "end", **changes: Any) -> Claim:
    values = {"hypothesis": "as expected", "experiment": "x", "measure": measure, "direction": "greater"}
    return Claim.model_validate({**values, "role": "confirmatory", "seeds": 3} | changes)


def rows(measure: str, numbers: Sequence[Bounds], base: str = "a", size: int | None = 8) -> pd.DataFrame:
    """The rows of one base and P, one per seed from 1 on; a pair of bounds is a censored number."""
    found = []
    for seed, number in enumerate(numbers, start=1):
        low, high = number if isinstance(number, tuple) else (number, number)
        value = low if math.isfinite(low) or math.isnan(low) else high
        found.append({"base": base, "seed": seed, "alignment_size": size, "pair": None, "measure": measure})
        found[-1] |= {"value": value, "low": low, "high": high}
    return pd.DataFrame(found).astype({"alignment_size": float, "pair": object})


def tables(*parts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {"x": pd.concat(parts, ignore_index=True)}


def score_model(
    claims: Mapping[str, Claim], measures: Mapping[str, pd.DataFrame], calibration: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The verdicts by claim, without a look at prompts."""
    planned = [
        PlannedClaim(name=name, claim=claim, bases={"x": ("a",)}, figure="f.svg", table="t.csv")
        for name, claim in claims.items()
    ]
    seeds = tuple(sorted({int(seed) for table in measures.values() for seed in table["seed"]}))
    job = VerdictsJob(claims=tuple(planned), seeds=seeds, experiments=tuple(measures), tasks=(), rebound={})
    table = verdict_table(job, verdict_seeds(job, measures), {}, calibration)
    assert list(table.columns) == COLUMNS
    return table.set_index("claim")


def one(numbers: Sequence[Bounds], measure: str = "area", **changes: Any) -> "pd.Series[Any]":
    return score_model({"c": claim(measure, **changes)}, tables(rows(measure, numbers))).loc["c"]


# One number a seed


def test_an_experiment_with_few_seeds_is_tested_on_the_first_ones_and_asks_for_no_more() -> None:
    measures = tables(rows("area", [*UP, -9.0, NAN]))
    planned = alone(claim("area")).model_copy(update={"max_seeds": len(UP)})
    seeds = tuple(range(1, len(UP) + 3))
    for limit, expected in ((len(UP), ("confirmed", False)), (2, ("undecided", False)), (None, ("undecided", True))):
        few = (planned.model_copy(update={"max_seeds": limit}),)
        job = VerdictsJob(claims=few, seeds=seeds, experiments=("x",), tasks=(), rebound={})
        row = verdict_table(job, verdict_seeds(job, measures), {}).iloc[0]
        assert (row["verdict"], row["more_seeds"]) == expected, limit
        assert row["seeds"] == (limit or len(UP) + 1)


def test_what_is_not_compared_is_averaged() -> None:
    measures = tables(
        rows("end", [1.0, 2.0], "a", 8),
        rows("end", [3.0, 4.0], "a", 16),
        rows("end", [5.0, 60.0], "b", 8),
        rows("end", [7.0, 80.0], "b", 16),
    )
    for over, expected in {"value": [4.0, 36.5], "sizes": [2.0, 11.0], "bases": [4.0, 67.0]}.items():
        values = claim_values(claim(over=over), measures, {"x": ("a", "b")})["end"]
        assert list(values.index) == [1, 2]
        assert values.to_numpy() == pytest.approx(np.repeat(expected, 3).reshape(2, 3)), over
    swapped = claim_values(claim(over="bases"), measures, {"x": ("b", "a")})["end"]
    assert swapped["value"].tolist() == [-4.0, -67.0]


def test_bounds_of_a_difference_are_the_farthest_apart() -> None:
    measures = tables(
        rows("reversal-ratio", [(2.0, INF), 1.0], size=8), rows("reversal-ratio", [(-INF, 3.0)] * 2, size=16)
    )
    values = claim_values(claim("reversal-ratio", over="sizes"), measures, {"x": ("a",)})["reversal-ratio"]
    assert values["value"].tolist() == [1.0, 2.0]
    assert values["low"].tolist() == [-INF, -INF]
    assert values["high"].tolist() == [1.0, 2.0]


def test_the_control_is_subtracted_seed_by_seed() -> None:
    control = rows("end", [(0.0, 0.5), 1.0], "b", 16)  # of another base and P
    measures = {"x": rows("end", [1.0, 1.0, 1.0]), "y": control}
    values = claim_values(claim(over="control", control="y"), measures, {"x": ("a",), "y": ("b",)})["end"]
    assert values.loc[[1, 2]].to_numpy().tolist() == [[1.0, 0.5, 1.0], [0.0, 0.0, 0.0]]
    assert values.loc[3].isna().all()  # the control lacks it


def test_what_rounding_leaves_is_no_effect() -> None:
    """0.1 + 0.2 and 0.3 differ by the same 6e-17 in every seed: a test would be sure of it."""
    measures = tables(rows("end", [0.1 + 0.2] * 3, size=8), rows("end", [0.3] * 3, size=16))
    values = claim_values(claim(over="sizes"), measures, {"x": ("a",)})["end"]
    assert values["value"].tolist() == [0.0, 0.0, 0.0]


def test_of_pairs_of_slices_their_mean_is_taken_and_a_missing_cell_is_missing() -> None:
    pairs = rows("kl-gap", [5.0], size=None).assign(pair="1-2")
    mean = rows("kl-gap", [2.0], size=None).assign(pair="all")
    values = claim_values(claim("kl-gap"), tables(pairs, mean), {"x": ("a",)})["kl-gap"]
    assert values["value"].tolist() == [2.0]
    lacking = tables(rows("end", [1.0, 2.0], size=8), rows("end", [1.0], size=16))
    assert claim_values(claim(), lacking, {"x": ("a",)})["end"]["value"].isna().tolist() == [False, True]


# What is decided


def test_numbers_by_hand() -> None:
    row = one([1.0, 2.0, 3.0], margin=0.5)
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert (row["effect"], row["low"], row["high"]) == pytest.approx((2.0, 2 - half, 2 + half))
    assert row["p"] == pytest.approx(stats.t.sf(2 * math.sqrt(3), 2))
    assert row["p_against"] == pytest.approx(stats.t.cdf((2 - 0.5) * math.sqrt(3), 2))
    assert (row["p_sign_flip"], row["sign_flip_floor"], row["seeds"]) == (1 / 8, 1 / 8, 3)
    assert (row["p_adjusted"], row["verdict"]) == (row["p"], "confirmed")
    assert "a sign-flip test cannot go below 0.125" in row["reason"]


@pytest.mark.parametrize(
    ("numbers", "changes", "verdict", "reason"),
    [
        (UP, {}, "confirmed", r"^1 \[0.9\d*, 1.\d*\] is above 0: p = "),
        (UP, {"direction": "less"}, "refuted", r"^1 \[0.9\d*, 1.\d*\] is above 0: p = "),
        ([-x for x in UP], {"direction": "less"}, "confirmed", "is below 0"),
        ([-x for x in UP], {}, "refuted", "is below 0"),
        (UP, {"margin": 2.0}, "confirmed", "^There, but smaller than matters: 1 .* is above 0: .* and is below 2, the"),
        (UP, {"margin": 1.0}, "confirmed", "^1 .* is above 0: .* was not measured: the study has no calibration"),
        ([0.1, -0.1, 0.2, -0.2, 0.0], {"margin": 0.4}, "refuted", "is below 0.4, the smallest effect that matters: p"),
        ([0.1, -0.1, 0.2, -0.2, 0.0], {"margin": 0.1}, "undecided", "contains 0 and 0.1, the smallest effect that"),
        ([0.1, -0.1, 0.2, -0.2, 0.0], {"margin": 0.4, "direction": "less"}, "refuted", "is above -0.4, the smallest"),
        ([1.0, 2.0, 2.5, -0.4, 1.0], {}, "confirmed", r"The interval, two-sided, contains 0; the test, one-sided"),
        ([-x for x in UP], {"direction": "less", "margin": 2.0}, "confirmed", "There, .* is below 0: .* above -2, the"),
        (UP, {"seeds": 6}, "undecided", r"^Too few seeds: 5 of the 6 that the claim asks for\.$"),
        (UP[:1], {}, "undecided", "Too few seeds: 1 of the 3 .* With one seed a sign-flip test cannot go below 0.5"),
        (UP[:1], {"seeds": 1}, "undecided", r"^1: p = 0\.5\."),
        (UP[:3], {}, "confirmed", "With 3 seeds a sign-flip test cannot go below 0.125: a decision rests on the t"),
        ([NAN] * 5, {}, "undecided", "^area cannot be computed of these cells: too few sizes, or nothing rose or fell"),
        ([*UP, NAN], {}, "undecided", "Nothing is known of seed 6: there the measure cannot be computed"),
        ([*UP, -9.0], {"exclusions": {6: "its disk was full"}}, "confirmed", "declared: seed 6: its disk was full"),
        ([5.0, 0.9, 0.8, 1.1, 0.7, -0.01], {}, "undecided", "the interval contains 0"),
    ],
)  # fmt: skip
def test_every_verdict(numbers: list[Bounds], changes: dict[str, Any], verdict: str, reason: str) -> None:
    row = one(numbers, **changes)
    assert row["verdict"] == verdict
    assert pd.Series([row["reason"]]).str.contains(reason).all(), row["reason"]


def test_a_censored_number_counts_as_its_least_favourable_bound() -> None:
    beyond: list[Bounds] = [*UP, (1.0, INF)]
    confirmed, refuted = one(beyond), one([-x for x in UP] + [(-1.0, INF)])
    assert confirmed["verdict"] == "confirmed"
    assert confirmed["p"] == pytest.approx(one([*UP, 1.0])["p"])
    assert (confirmed["effect"], confirmed["high"]) == (1.0, INF)
    assert "Only a bound is known of 1 of 6 seeds" in confirmed["reason"]
    assert refuted["verdict"] == "undecided"
    less = one([-x for x in UP] + [(-INF, -1.0)], direction="less")
    assert (less["verdict"], less["low"]) == ("confirmed", -INF)


def test_the_reason_mentions_a_sign_flip_test_that_disagrees() -> None:
    row = one([3.0, 3.1, 2.9, 3.0, 3.05, -0.0], margin=0.001)
    assert row["verdict"] == "confirmed"
    assert row["p_sign_flip"] <= 0.05  # of six, one on the other side
    row = one([1.0, 1.1, 0.9, 1.0, -0.02], margin=0.0)
    assert (row["verdict"], row["p_sign_flip"]) == ("confirmed", 2 / 32)
    assert "A sign-flip test, which asks less of the numbers, does not go so far: p = 0.062" in row["reason"]


@pytest.mark.parametrize(
    ("start", "end", "verdict"),
    [(UP, UP, "confirmed"), (UP, [0.1, -0.1, 0.2, -0.2, 0.0], "undecided"), (UP, [-x for x in UP], "refuted")],
)
def test_a_crossing_needs_both_of_its_parts(start: list[float], end: list[float], verdict: str) -> None:
    parts = {"crossing-start": start, "crossing-end": end}
    measures = tables(*(rows(part, numbers, size=None) for part, numbers in parts.items()))
    job = VerdictsJob(
        claims=(PlannedClaim(name="c", claim=claim("crossing"), bases={"x": ("a",)}, figure="f", table="t"),),
        seeds=(1, 2, 3, 4, 5),
        experiments=("x",),
        tasks=(),
        rebound={},
    )
    row = score_model({"c": claim("crossing")}, measures).loc["c"]
    assert row["verdict"] == verdict
    assert row["effect"] == pytest.approx(min(np.mean(start), np.mean(end)))
    p = [stats.ttest_1samp(numbers, 0, alternative="greater").pvalue for numbers in (start, end)]
    assert (row["p"], row["p_against"]) == pytest.approx((max(p), min(1.0, 2 * (1 - max(p)))))
    assert "(the weakest part)" in row["reason"]
    assert set(verdict_seeds(job, measures)["part"]) == {"crossing-start", "crossing-end"}


# Beside other claims


def test_holm_over_the_confirmatory_and_benjamini_hochberg_over_the_others() -> None:
    weak = [1.0, 2.0, 2.5, -0.4, 1.0]
    roles = {"area": "confirmatory", "overshoot": "confirmatory"}
    roles |= {"initial-rate": "exploratory", "matched-fall": "exploratory"}
    claims = {name: claim(name, role=role) for name, role in roles.items()}
    table = score_model(claims, tables(*(rows(name, weak) for name in roles)))
    p = stats.ttest_1samp(weak, 0, alternative="greater").pvalue
    assert 0.025 < p < 0.05
    assert table["p"].tolist() == pytest.approx([p] * 4)
    assert table["p_adjusted"].tolist() == pytest.approx([2 * p, 2 * p, p, p])
    assert table["p_against_adjusted"].tolist() == pytest.approx([1, 1, 1 - p, 1 - p])
    assert table["verdict"].tolist() == ["undecided", "undecided", "confirmed", "confirmed"]
    assert f"p = {p:.2g} alone, but {2 * p:.2g} beside all confirmatory claims" in table.loc["area", "reason"]


def test_a_claim_that_cannot_be_tested_stays_in_its_family() -> None:
    measures = tables(rows("area", UP), rows("two-phase", [NAN] * 5))
    table = score_model({"area": claim("area"), "two-phase": claim("two-phase")}, measures)
    assert table.loc["area", "p_adjusted"] == pytest.approx(2 * table.loc["area", "p"])
    assert math.isnan(table.loc["two-phase", "p_adjusted"])


CALIBRATION = pd.DataFrame(
    [
        ("x", "area", "greater", "t", "size", 0.21, 0.01, False),
        ("x", "area", "greater", "t", "power", 0.90, 0.00, None),
        ("w, x", "overshoot", "greater", "t", "size", 0.06, 0.01, True),
        ("w, x", "overshoot", "greater", "t", "power", 0.10, 0.30, None),
        ("w, x", "overshoot", "greater", "sign-flip", "size", 0.50, 0.01, False),
        ("w", "overshoot", "greater", "t", "size", 0.50, 0.01, False),
        ("x", "end", "less", "t", "size", 0.01, 0.01, True),
        ("x", "end", "less", "t", "power", 0.01, 0.01, None),
    ],
    columns=["design", "measure", "direction", "test", "role", "rate", "against", "sized"],
)
CALIBRATION = CALIBRATION.assign(
    over="value", seeds=5, draws=500, scenario=CALIBRATION["role"].map({"size": "nothing", "power": "rebound"})
)
"""A calibration of area and overshoot, with another test, other experiments, and a claim in the other direction."""


@pytest.mark.parametrize(
    ("measure", "numbers", "verdict", "reason"),
    [
        ("area", UP, "undecided", "its t test confirms what is not there in 21.0% of all studies"),
        ("area", [-x for x in UP], "refuted", "is below 0"),
        ("overshoot", UP, "confirmed", "is above 0"),
        ("overshoot", [-x for x in UP], "undecided", "its t test refutes what it should not in 30.0% of all studies"),
        ("end", UP, "confirmed", "The calibration does not cover this test."),
        ("initial-rate", UP, "confirmed", "The calibration does not cover this test."),
    ],
)
def test_a_test_that_errs_too_often_decides_nothing(
    measure: str, numbers: list[float], verdict: str, reason: str
) -> None:
    row = score_model({"c": claim(measure)}, tables(rows(measure, numbers)), CALIBRATION).loc["c"]
    assert row["verdict"] == verdict
    assert reason in row["reason"]


def test_a_real_calibration_covers_the_claims_of_its_designs() -> None:
    job = CalibrationJob(
        settings=Calibration(draws=50),
        seeds=3,
        designs={"x": Design(alignment_sizes=(8, 16), inverse_sizes=(0, 4, 8), seeds=3, prompts=8)},
        resistance=("z",),
    )
    table = calibration_table(job)
    ratio, end = claim("reversal-ratio", over="sizes", direction="less"), claim("end", over="bases", direction="less")
    for one_claim in (claim("crossing"), ratio, end, claim("kl-gap", experiment="z")):
        found = error_rates(alone(one_claim), table)
        assert found is not None, one_claim
        assert 0 <= found.confirms <= 1
    assert error_rates(alone(claim("crossing", experiment="other")), table) is None


def test_a_claim_is_sized_as_the_one_of_its_experiments_with_fewer_seeds() -> None:
    rates = pd.DataFrame({"design": ["x, y", "control"], "seeds": [12, 6], "rate": [0.01, 0.2], "against": [0.3, 0.02]})
    keys = {"measure": "end", "over": "control", "direction": "less", "test": "t", "role": "size", "draws": 500}
    rates = rates.assign(scenario="relaxation", sized=[True, False], **keys)
    compared = claim("end", over="control", control="control", direction="less")
    found = error_rates(alone(compared, control=("a",)), rates)
    assert found is not None
    assert (found.confirms, found.refutes, found.confirms_too_often) == (0.2, 0.02, True)


def alone(claim: Claim, **bases: tuple[str, ...]) -> PlannedClaim:
    return PlannedClaim(name="c", claim=claim, bases={"x": ("a",), **bases}, figure="f", table="t")


def test_tests_that_decide_nothing_make_no_room_for_others() -> None:
    """Benjamini and Hochberg would find a weak claim beside one that is certain, but may not be confirmed."""
    weak = [1.0, 2.0, 2.5, -0.4, 1.0]
    p = stats.ttest_1samp(weak, 0, alternative="greater").pvalue
    measures = tables(rows("area", UP), rows("matched-fall", weak))
    for blocked, calibration, expected in [
        (claim("area", role="exploratory"), None, p),
        (claim("area", role="exploratory"), CALIBRATION, 2 * p),
        (claim("area", role="exploratory", seeds=6), None, 2 * p),
    ]:
        claims = {"blocked": blocked, "weak": claim("matched-fall", role="exploratory")}
        table = score_model(claims, measures, calibration)
        assert table.loc["weak", "p_adjusted"] == pytest.approx(expected)
        assert math.isnan(table.loc["blocked", "p_adjusted"]) == (expected > p)


def test_a_refutation_is_wrong_where_nothing_differs_but_right_in_a_plain_relaxation() -> None:
    """Rates of 0.2 against: of a claim that holds nowhere, of one right at its margin, and of one that holds."""
    rates = pd.DataFrame(
        [(scenario, over) for scenario in ("relaxation", "nothing", "rebound") for over in ("value", "bases")],
        columns=["scenario", "over"],
    )
    rates["role"] = rates["scenario"].map({"rebound": "power"}).fillna("size")
    rates = rates.assign(
        design="x", seeds=5, measure="end", direction="less", test="t", draws=500, rate=0.0, sized=True
    )
    wrong = {}
    for scenario in ("relaxation", "nothing", "rebound"):
        table = rates.assign(against=np.where(rates["scenario"] == scenario, 0.2, 0.0))
        found = [error_rates(alone(claim("end", over=over, direction="less")), table) for over in ("value", "bases")]
        wrong[scenario] = [sized.refutes_too_often for sized in found if sized]
    assert wrong == {"relaxation": [False, True], "nothing": [True, True], "rebound": [True, True]}


def test_a_control_of_another_base_model_is_sized_as_such() -> None:
    """It does not share the responses of the base model, which seeds tell nothing about."""
    held = claim("end", over="control", control="y")
    assert alone(held, y=("a",)).compares == "control"
    assert alone(held, y=("b",)).compares == "bases"


# Prompt by prompt

TUNING = FineTuning(learning_rate=1e-3, batch_size=4, max_length=16)


def scored(alignment_side: str, seeds: tuple[int, ...] = (1, 2, 3)) -> tuple[pd.DataFrame, ReboundTableJob]:
    """Scores of two P, three N and twenty prompts, and of the base model."""
    random = np.random.default_rng(3)
    cell = {"base": "a", "alignment_side": alignment_side, "alignment_recipe": "alignment", "inverse_recipe": "inverse"}
    found = [
        cell | {"seed": seed, "alignment_size": p, "inverse_size": n, "prompt_id": f"p{i}", "score": random.random()}
        for seed in seeds
        for p in (8, 16)
        for n in (0, 4, 8)
        for i in range(20)
    ]
    base = [
        dict.fromkeys(cell) | {"base": "a", "draw": draw, "prompt_id": f"p{i}", "score": random.random()}
        for draw in range(2 * len(seeds))
        for i in range(20)
    ]
    experiment = Rebound.model_validate(
        {
            "task": "t",
            "bases": ("a",),
            "direction": "standard" if alignment_side == "positive" else "reversed",
            "alignment_sizes": (8, 16),
            "inverse_sizes": (0, 4, 8),
        }
    )
    return pd.DataFrame(found + base), ReboundTableJob(
        experiment=experiment, seeds=seeds, alignment=TUNING, inverse=TUNING
    )


@pytest.mark.parametrize("alignment_side", ["positive", "negative"])
def test_means_over_prompts_are_the_measures(alignment_side: str) -> None:
    scores, job = scored(alignment_side)
    sign = 1 if alignment_side == "positive" else -1
    s = sign * rebound_seeds(scores, job).set_index(["alignment_size", "inverse_size", "seed"])["score"]
    b = sign * base_scores(scores, job.seeds)["a"]
    expected = {
        ("start", 8): s[8, 0] - b,
        ("start", 16): s[16, 0] - b,
        ("end", 8): s[8, 8] - b,
        ("end", 16): s[16, 8] - b,
        ("crossing-start", 0): s[16, 0] - s[8, 0],
        ("crossing-end", 0): s[8, 8] - s[16, 8],
    }
    table = prompt_measures(scores, job).fillna({"alignment_size": 0})
    assert len(table) == len(expected) * 3 * 20
    means = table.groupby(["measure", "alignment_size", "seed"])["value"].mean()
    for (measure, size), values in expected.items():
        assert means[measure, size].tolist() == pytest.approx(values.tolist())


def test_the_second_view_has_the_same_mean_and_leaves_excluded_seeds_out() -> None:
    scores, job = scored("positive", (1, 2, 3, 4))
    measures = {"x": prompt_measures(scores, job)}
    per_seed = (
        measures["x"]
        .groupby(["base", "measure", "alignment_size", "seed"], dropna=False, as_index=False)["value"]
        .mean()
    )
    per_seed = per_seed.assign(pair=NAN, low=per_seed["value"], high=per_seed["value"])
    claims = {
        "over": claim("end", over="sizes", exclusions={4: "odd"}),
        "less": claim("crossing", direction="less"),
    }
    planned = tuple(
        PlannedClaim(name=n, claim=c, bases={"x": ("a",)}, figure="f", table="t") for n, c in claims.items()
    )
    whole = VerdictsJob(claims=planned, seeds=job.seeds, experiments=("x",), tasks=("t",), rebound={"x": job})
    values = verdict_seeds(whole, {"x": per_seed})
    table = verdict_table(whole, values, {"t": scores}).set_index("claim")
    assert table["clustered_effect"].tolist() == pytest.approx(table["effect"].tolist())
    assert (table["clustered_low"] < table["clustered_effect"]).all()
    assert (table["clustered_effect"] < table["clustered_high"]).all()
    assert set(values.loc[values["claim"] == "over", "seed"]) == {1, 2, 3}
    crossing = [values.query("claim == 'less' and part == @part")["value"].mean() for part in claims["less"].parts]
    assert table.loc["less", "effect"] == pytest.approx(max(crossing))


# What was claimed when training ran, and what is shown


def test_training_under_other_claims_is_counted() -> None:
    claims = {"c": claim()}
    own = claims_digest(claims)
    record = declared(claims, [{"claims": own}, {"claims": "another"}, {"updates": 3}])
    assert record == {"claims": own, "training_jobs": 3, "under_other_claims": 2}
    assert sentence(record).startswith("2 of the 3 training jobs")
    assert "these very claims" in sentence(declared(claims, [{"claims": own}] * 3))
    changed = {"c": claim(margin=0.1)}
    assert declared(changed, [{"claims": own}])["under_other_claims"] == 1


@pytest.mark.parametrize("others", [0, 2])
def test_the_figure_takes_claims_without_a_number(others: int, tmp_path: Any) -> None:
    parts = {"area": UP, "reversal-ratio": [(1.0, INF)] * 5, "two-phase": [NAN] * 5, "overshoot": [-x for x in UP]}
    measures = tables(*(rows(part, numbers) for part, numbers in parts.items()))
    claims = {f"about-{name}": claim(name, hypothesis="1 < 2 & more") for name in parts}
    planned = tuple(
        PlannedClaim(name=n, claim=c, bases={"x": ("a",)}, figure="f", table="t") for n, c in claims.items()
    )
    job = VerdictsJob(claims=planned, seeds=(1, 2, 3, 4, 5), experiments=("x",), tasks=(), rebound={})
    values = verdict_seeds(job, measures)
    table = verdict_table(job, values, {})
    record: dict[str, str | int] = {"claims": "0" * 64, "training_jobs": 5, "under_other_claims": others}
    assert table["verdict"].value_counts().to_dict() == {"confirmed": 1, "refuted": 1, "undecided": 2}
    files = [tmp_path / f"{number}.svg" for number in range(2)]
    for file in files:
        save(forest(table, values, record, FigureJob()), [file])
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("claimed", "against", "expected"),
    [
        (0.01, 1.0, (0.01, "")),
        (1.0, 0.06, (0.06, " against")),
        (1.0, 1.0, (1.0, "")),
        (math.nan, 0.06, (0.06, " against")),
    ],
)
def test_the_smaller_p_is_shown(claimed: float, against: float, expected: tuple[float, str]) -> None:
    assert telling_p(claimed, against) == expected


def test_of_a_test_that_decides_nothing_no_p_is_shown() -> None:
    p, side = telling_p(math.nan, math.nan)
    assert (math.isnan(p), side) == (True, "")
    assert telling_p(0.3, math.nan) == (0.3, "")
