"""Measured numbers beside published ones, on made-up measurements."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elasticity.analysis.published import published_resistance, published_reversion, reversions
from elasticity.analysis.tables.resistance import resistance_table
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.pipeline.reporting.published import PAPER
from elasticity.pipeline.study_pipeline import Pipeline

RESISTANCE = pd.read_csv(PAPER / "resistance.csv")
REVERSION = pd.read_csv(PAPER / "reversion.csv")


def test_the_paper_has_27_pairs_and_publishes_inverse_below_forward_in_all() -> None:
    assert len(RESISTANCE) == len(RESISTANCE.drop_duplicates(["task", "model", "pair"])) == 27
    assert (RESISTANCE["inverse"] < RESISTANCE["forward"]).all()
    assert (RESISTANCE["forward"] - RESISTANCE["inverse"]).min() == pytest.approx(0.0002)


def test_the_paper_reverts_faster_the_more_safe_examples() -> None:
    assert len(REVERSION) == 8
    for _, rows in REVERSION.groupby("model"):
        assert rows["kl"].is_monotonic_increasing
        assert rows["reversion_size"].is_monotonic_decreasing


# Resistance


def measured(**shifts: float) -> pd.DataFrame:
    """Two seeds of one base, each as published except for a shift of the inverse cells of a pair, and seed noise."""
    rows = []
    for cell in RESISTANCE[(RESISTANCE["task"] == "safe") & (RESISTANCE["model"] == "Llama2-7B")].to_dict("records"):
        for seed, noise in ((1, -0.001), (2, 0.001)):
            for direction in ("forward", "inverse"):
                shift = shifts.get(f"_{cell['pair'].replace('-', '')}", 0.0) if direction == "inverse" else 0.0
                value = cell[direction] + noise + shift
                values = {
                    "cross_entropy": value,
                    "training_loss": 2 * value,
                    "own_entropy": 0.0,
                    "kl": 0.0,
                    "kl_exact": 0.0,
                    **dict.fromkeys(("kl_before", "closed", "texts", "tokens"), 1.0),
                }
                rows.append({"base": "mine", "pair": cell["pair"], "direction": direction, "seed": seed, **values})
    return resistance_table(pd.DataFrame(rows))


def test_equal_numbers_differ_by_nothing_and_agree() -> None:
    table = published_resistance(measured(), RESISTANCE, "safe", {"mine": "Llama2-7B"})
    assert len(table) == 2 * 3 * 3
    same = table[table["measure"] == "cross_entropy"]
    assert same["difference"].to_numpy() == pytest.approx(np.zeros(9), abs=1e-12)
    assert same["agrees"].tolist() == ["", "", "yes"] * 3
    assert same["direction"].tolist()[:3] == ["inverse", "forward", "forward - inverse"]
    assert (same["low"] <= same["published"]).all()
    assert (same["published"] <= same["high"]).all()


def test_the_training_loss_is_compared_with_the_same_numbers() -> None:
    table = published_resistance(measured(), RESISTANCE, "safe", {"mine": "Llama2-7B"})
    losses = table[(table["measure"] == "training_loss") & (table["agrees"] == "")]
    assert losses["difference"].to_numpy() == pytest.approx(losses["published"].to_numpy())


def test_an_effect_of_the_other_sign_does_not_agree() -> None:
    table = published_resistance(measured(_12=0.02), RESISTANCE, "safe", {"mine": "Llama2-7B"})
    effects = table[(table["measure"] == "cross_entropy") & (table["direction"] == "forward - inverse")]
    assert dict(zip(effects["pair"], effects["agrees"], strict=True)) == {"1-2": "no", "1-3": "yes", "2-3": "yes"}
    assert effects.set_index("pair").loc["1-2", "measured"] == pytest.approx(0.0079 - 0.02)


def test_bases_without_published_numbers_are_left_out() -> None:
    assert published_resistance(measured(), RESISTANCE, "safe", {"other": "Llama2-7B"}).empty


# Reversion


def decays(starts: dict[int, float], scale: float, seeds: tuple[int, ...] = (1, 2)) -> pd.DataFrame:
    """Divergences that decay exponentially in N from a start for each P, at slightly different rates in each seed."""
    return pd.DataFrame(
        [
            {
                "base": "mine",
                "alignment_size": first,
                "inverse_size": second,
                "seed": seed,
                "kl": start * np.exp(-second / (scale + seed)),
            }
            for first, start in starts.items()
            for seed in seeds
            for second in (0, 200, 400, 1000, 2000)
        ]
    )


def test_a_seed_has_its_divergence_and_its_size() -> None:
    row = reversions(decays({1000: 0.2}, 300, seeds=(1,))).iloc[0]
    assert row["kl"] == 0.2
    assert row["reversion_size"] == pytest.approx(301 * np.log(20))


def test_divergences_stand_beside_the_published_ones() -> None:
    per_seed = reversions(decays({1000: 0.2, 10000: 0.3}, 300))
    table = published_reversion(per_seed, REVERSION, {"mine": "Llama2-7B"}).set_index(["quantity", "alignment_size"])
    assert table.loc[("kl", "1000"), "difference"] == pytest.approx(0.2 - 0.21)
    assert table.loc[("reversion_size", "10000"), "published"] == 729
    assert table.loc[("kl", "10000 - 1000"), "published"] == pytest.approx(0.06)
    assert table["agrees"].to_dict() == {
        ("kl", "1000"): "",
        ("kl", "10000"): "",
        ("kl", "10000 - 1000"): "yes",
        ("reversion_size", "1000"): "",
        ("reversion_size", "10000"): "",
        ("reversion_size", "10000 - 1000"): "no",  # the same rate from further away takes longer
    }


def test_a_mean_is_missing_if_a_seed_never_reverts() -> None:
    divergences = decays({1000: 0.2}, 300)
    divergences.loc[divergences["seed"] == 2, "kl"] = 0.5
    table = published_reversion(reversions(divergences), REVERSION, {"mine": "Gemma-2B"}).set_index("quantity")
    assert np.isnan(table.loc["reversion_size", "measured"])
    assert table.loc["reversion_size", "agrees"] == ""
    assert table.loc["kl", "measured"] == pytest.approx(0.35)


# The plan


def with_published(values: dict[str, Any], base: str) -> Pipeline:
    values["models"][base] = values["models"]["nano"] | {"checkpoints": []}
    values["resistance"]["slices"] |= {"bases": ["nano", base], "published": "safe"}
    return Pipeline(read_study(values))


@pytest.mark.parametrize("base", ["Llama2-7B", "llama-2-7b"])
def test_models_are_known_by_name(values: dict[str, Any], base: str) -> None:
    plan = with_published(values, base)
    job = json.loads(plan.published.resistance_job(SimpleNamespace(experiment="slices")))
    assert job == {"task": "safe", "models": {base: "Llama2-7B"}}
    assert plan.tables["published_resistance"].paths() == ["results/tiny/tables/published-resistance-slices.csv"]
    plan.published.check()


def test_a_comparison_without_a_model_of_the_paper_is_an_error(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"resistance\.slices\.published: the paper has no numbers of nano, mine"):
        with_published(values, "mine").published.check()


def test_nothing_is_compared_unless_it_is_asked_for(values: dict[str, Any]) -> None:
    plan = Pipeline(read_study(values))
    plan.published.check()
    assert plan.tables["published_resistance"].paths() == plan.tables["published_reversion"].paths() == []


def test_divergences_are_compared_if_they_are_measured(values: dict[str, Any]) -> None:
    values["rebound"]["existence"]["published"] = True
    with pytest.raises(UserError, match="divergence: true"):
        read_study(values)
    values["rebound"]["existence"]["divergence"] = True
    table = Pipeline(read_study(values)).tables["published_reversion"]
    assert table.paths() == ["results/tiny/tables/published-reversion-existence.csv"]
