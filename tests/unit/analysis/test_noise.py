"""Noise between seeds by hand and by brute force, and the power that follows from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from elasticity.analysis.calibration import with_noise
from elasticity.analysis.families import ANY, family_table
from elasticity.analysis.jobs import CalibrationJob, NoiseJob, NoisePart
from elasticity.analysis.noise import RUN, Noise, noise_of, noise_table, read_noise
from elasticity.analysis.power import detectable, power, prompts_needed, seeds_needed
from elasticity.analysis.table import write_csv
from elasticity.config.calibration import Calibration
from elasticity.config.claims import Claim


def rows(values: np.ndarray[Any, Any], base: str, measure: str = "end") -> pd.DataFrame:
    """The rows of a measures table; ``values`` has shape (seeds, P)."""
    found = [
        {"base": base, "seed": seed, "alignment_size": 8 * (size + 1), "pair": None, "measure": measure, "value": value}
        for seed, of_seed in enumerate(values)
        for size, value in enumerate(of_seed)
    ]
    table = pd.DataFrame(found).astype({"alignment_size": "Int64", "pair": object})
    return table.assign(low=table["value"], high=table["value"])


def test_standard_deviations_by_hand() -> None:
    generator = np.random.default_rng(1)
    one, two = generator.normal(size=(5, 2)), generator.normal(size=(5, 2))
    part = NoisePart(experiment="x", kind="rebound", bases=("a", "b"), several_sizes=True, controls={"y": ("a", "b")})
    job = NoiseJob(parts=(part,), experiments=("x", "y"), tasks=(), rebound={})
    tables = {"x": pd.concat([rows(one, "a"), rows(two, "b")]), "y": pd.concat([rows(two, "a"), rows(two, "b")])}
    found = noise_table(job, tables, {}).set_index(["measure", "over"])
    both, variances = (one + two) / 2, [*one.var(axis=0, ddof=1), *two.var(axis=0, ddof=1)]
    assert found.loc[("end", RUN), "sd"] == pytest.approx(np.sqrt(np.mean(variances)))
    assert found.loc[("end", RUN), "df"] == 16
    expected = {
        "value": both.mean(axis=1),
        "sizes": both[:, 1] - both[:, 0],
        "bases": (two - one).mean(axis=1),
        "control": both.mean(axis=1) - two.mean(axis=1),
    }
    for over, values in expected.items():
        assert found.loc[("end", over), "sd"] == pytest.approx(values.std(ddof=1)), over
    assert found["prompt_sd"].isna().all()


def test_a_comparison_that_was_not_made_has_twice_the_variance() -> None:
    noise = {("end", RUN): Noise(3.0), ("end", "value"): Noise(1.0)}
    assert noise_of(noise, "end", "control") == Noise(pytest.approx(np.sqrt(2)), pytest.approx(np.nan, nan_ok=True))
    sizes, value = noise_of(noise, "end", "sizes"), noise_of(noise | {("end", "value"): Noise(2.0)}, "end", "value")
    assert sizes
    assert value
    assert (sizes.sd, value.sd) == (pytest.approx(3 * np.sqrt(2)), 2.0)
    assert noise_of(noise, "area", "value") is None


def test_more_prompts_divide_only_the_variance_of_sampling() -> None:
    noise = Noise(sd=0.05, prompt_sd=0.4, prompts=160)
    assert noise.of_seeds == pytest.approx(0.05**2 - 0.16 / 160)
    assert noise.with_prompts(160) == pytest.approx(0.05)
    assert noise.with_prompts(640) == pytest.approx(np.sqrt(noise.of_seeds + 0.16 / 640))
    assert Noise(0.05).with_prompts(640) == 0.05


def test_power_is_the_rate_of_rejection() -> None:
    values = np.random.default_rng(2).normal(0.8, 1, (40_000, 12))
    t = values.mean(axis=1) / values.std(axis=1, ddof=1) * np.sqrt(12)
    from scipy import stats

    rate = (stats.t.sf(t, 11) <= 0.05 / 3).mean()
    assert power(0.8, 12, 0.05 / 3) == pytest.approx(rate, abs=0.01)
    assert power(detectable(12, 0.05), 12, 0.05) == pytest.approx(0.8)
    needed = seeds_needed(0.5, 0.01)
    assert needed is not None
    assert power(0.5, needed, 0.01) >= 0.8 > power(0.5, needed - 1, 0.01)
    assert seeds_needed(0.001, 0.05) is None


def test_the_prompts_that_are_needed_are_enough() -> None:
    noise = Noise(sd=0.05, prompt_sd=0.5, prompts=160)
    needed = prompts_needed(0.04, noise, 12, 0.05)
    assert needed is not None
    assert power(0.04 / noise.with_prompts(needed), 12, 0.05) >= 0.8
    assert power(0.04 / noise.with_prompts(needed - 1), 12, 0.05) < 0.8 + 1e-3
    assert prompts_needed(0.01, noise, 4, 0.05) is None


def test_the_calibration_takes_the_noise_that_is_not_given() -> None:
    noise = {("end", RUN): Noise(0.05), ("crossing-end", RUN): Noise(0.04), ("kl-gap", "value"): Noise(0.002)}
    found = with_noise(Calibration(run_nats=0.3), noise)
    assert found.run_offset == pytest.approx(0.04 / np.sqrt(2))
    assert found.seed_offset == pytest.approx(np.sqrt(0.05**2 - 0.04**2 / 2))
    assert found.run_nats == 0.3


def claims(count: int, **changes: Any) -> dict[str, Claim]:
    values = {"hypothesis": "h", "experiment": "x", "measure": "end", "direction": "greater", "seeds": 3}
    return {f"c{n}": Claim.model_validate(values | {"role": "confirmatory"} | changes) for n in range(count)}


@pytest.mark.parametrize("looks", [(), (6, 9, 12, 15)])
def test_no_confirmatory_family_errs_more_often_than_its_level(looks: tuple[int, ...]) -> None:
    """Looks included, within three Monte Carlo errors; and most of an effect that just matters is found."""
    settings = Calibration(draws=4000)
    job = CalibrationJob(
        settings=settings, seeds=12, designs={}, resistance=(), claims=claims(4, margin=0.1), looks=looks
    )
    table = family_table(job, {("end", "value"): Noise(0.09)}).set_index(["claim", "truth"])
    for truth in ("absent", "margin"):
        assert table.loc[(ANY, truth), "wrong"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / settings.draws)
    absent, present = table.loc[("c0", "absent")], table.loc[("c0", "margin")]
    assert absent["refuted"] > 0.7
    assert present["confirmed"] > 0.7
    assert (table["seeds"] < 15).all() if looks else (table["seeds"] == 12).all()


def looked_at_twice(those: dict[str, Claim], draws: int) -> CalibrationJob:
    """The calibration of a study with a look after 6 of 12 seeds."""
    settings = Calibration(draws=draws)
    return CalibrationJob(settings=settings, seeds=12, designs={}, resistance=(), claims=those, looks=(6, 12))


def test_a_claim_of_an_experiment_with_few_seeds_is_tried_on_those() -> None:
    job = looked_at_twice(claims(2, margin=0.1), draws=1000)
    table = family_table(job.model_copy(update={"max_seeds": {"c1": 4}}), {("end", "value"): Noise(0.09)})
    confirmed = table[table["truth"] == "margin"].set_index("claim")["confirmed"]
    assert confirmed["c0"] - confirmed["c1"] > 0.2
    assert table.loc[table["claim"] == ANY, "wrong"].max() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


def test_a_claim_is_not_simulated_on_fewer_seeds_than_it_asks_for() -> None:
    job = looked_at_twice(claims(1, margin=1.0), draws=400)
    quiet = {("end", "value"): Noise(0.01)}
    assert (family_table(job, quiet)["seeds"] == 6).all()
    assert (family_table(job.model_copy(update={"claims": claims(1, margin=1.0, seeds=9)}), quiet)["seeds"] == 12).all()
    never = family_table(job.model_copy(update={"claims": claims(1, margin=1.0, seeds=13)}), quiet)
    assert (never[["confirmed", "refuted"]] == 0).all(axis=None)


def test_looks_do_not_wait_for_a_claim_that_has_all_its_seeds() -> None:
    job = looked_at_twice(claims(1, margin=0.1), draws=400)
    loud = {("end", "value"): Noise(5.0)}
    assert family_table(job, loud)["seeds"].min() > 11
    assert (family_table(job.model_copy(update={"max_seeds": {"c0": 6}}), loud)["seeds"] == 6).all()


def test_a_measure_of_unknown_noise_counts_in_its_family() -> None:
    several = claims(2, margin=0.1) | {"odd": claims(1, measure="area")["c0"]}
    job = CalibrationJob(settings=Calibration(draws=400), seeds=12, designs={}, resistance=(), claims=several)
    table = family_table(job, {("end", "value"): Noise(0.09)})
    assert "odd" not in set(table["claim"])
    alone = family_table(job.model_copy(update={"claims": claims(2, margin=0.1)}), {("end", "value"): Noise(0.09)})
    assert table["refuted"].iloc[0] <= alone["refuted"].iloc[0]


def test_the_shipped_noise_is_read(tmp_path: Path) -> None:
    from elasticity.pipeline.reporting.noise import SHIPPED

    found = read_noise(SHIPPED)
    assert found["kl-gap", "value"].sd > 0
    write_csv(pd.read_csv(SHIPPED), tmp_path / "copy.csv")
    assert read_noise(tmp_path / "copy.csv").keys() == found.keys()
