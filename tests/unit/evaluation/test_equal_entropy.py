"""The equal-entropy control: the chosen prompts, their table, and the jobs of the experiment."""

import json
from math import fsum
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.tables.entropies import entropy_seeds, entropy_table
from elasticity.config.loading import read_study
from elasticity.evaluation.equal_entropy import choices, nearest_half
from elasticity.evaluation.schemas import chosen_prompts
from elasticity.pipeline.planning.budget import Budget
from elasticity.pipeline.resistance import PAIRS, PATHS, ResistanceJobs
from elasticity.pipeline.study_pipeline import Pipeline
from tests.conftest import expected

DIFFERENCES = st.lists(st.floats(-4, 4), min_size=1, max_size=9)


def named(count: int) -> list[str]:
    return [f"p{i}" for i in range(count)]


# The choice


@given(DIFFERENCES)
def test_no_contiguous_half_of_the_prompts_has_a_mean_nearer_to_0(differences: list[float]) -> None:
    kept = nearest_half(differences, named(len(differences)))
    ordered = sorted(differences)
    count = (len(ordered) + 1) // 2
    runs = [ordered[first : first + count] for first in range(len(ordered) - count + 1)]
    found = sorted(differences[i] for i in kept)
    assert found in runs
    assert len(set(kept)) == count
    assert abs(fsum(found)) == pytest.approx(min(abs(fsum(run)) for run in runs), abs=1e-9)


@given(DIFFERENCES, st.randoms(use_true_random=False))
def test_the_order_of_the_prompts_does_not_matter(differences: list[float], random: Any) -> None:
    prompts = named(len(differences))
    shuffled = random.sample(range(len(prompts)), len(prompts))
    kept = {prompts[i] for i in nearest_half(differences, prompts)}
    again = nearest_half([differences[i] for i in shuffled], [prompts[i] for i in shuffled])
    assert {prompts[shuffled[i]] for i in again} == kept


def test_a_shift_within_the_spread_is_removed_by_the_choice() -> None:
    assert nearest_half([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0], named(6)) == [0, 1, 2]
    assert nearest_half([4.0, 3.0, 1.0, 2.0], named(4)) == [2, 3]
    assert nearest_half([0.0, 0.0, 0.0], ["c", "b", "a"]) == [2, 1]


@given(st.lists(st.tuples(*[st.tuples(st.integers(1, 9), st.floats(0, 20))] * 2), min_size=2, max_size=8))
def test_choices_are_by_nats_per_token_and_apply_to_both_directions(measured: list[Any]) -> None:
    prompts = named(len(measured))
    first, second = (dict(zip(prompts, side, strict=True)) for side in zip(*measured, strict=True))
    rows = choices("twins", (1, 3), first, second)
    differences = [row["second_nats"] / row["second_tokens"] - row["first_nats"] / row["first_tokens"] for row in rows]
    kept = {prompts[i] for i in nearest_half(differences, prompts)}
    assert chosen_prompts(rows) == {("twins", (1, 3)): kept, ("twins", (3, 1)): kept}
    assert [row["prompt_id"] for row in rows] == prompts


# The table


def test_the_table_holds_entropies_before_and_after_the_choice() -> None:
    first = {"a": (2, 2.0), "b": (1, 1.0), "c": (4, 4.0), "d": (1, 3.0)}
    second = {"a": (2, 2.0), "b": (2, 2.0), "c": (1, 5.0), "d": (1, 5.0)}
    seed = pd.DataFrame(choices("questions", (1, 2), first, second))
    (row,) = entropy_seeds(seed).to_dict("records")
    assert (row["pair"], row["responses"], row["prompts"], row["chosen"]) == ("1-2", "questions", 4, 2)
    assert row["first_before"] == pytest.approx(10 / 8)
    assert row["second_before"] == pytest.approx(14 / 6)
    assert row["mean_gap_before"] == pytest.approx((0 + 0 + 4 + 2) / 4)
    assert (row["first_after"], row["second_after"], row["gap_after"], row["mean_gap_after"]) == (1, 1, 0, 0)
    table = entropy_table(pd.concat(entropy_seeds(seed).assign(base="nano", seed=number) for number in (1, 2)))
    assert table.loc[0, "seeds"] == 2
    assert table.loc[0, "gap_before"] == table.loc[0, "gap_before_low"] == pytest.approx(14 / 6 - 10 / 8)


# The graph


@pytest.fixture
def values(values: dict[str, Any]) -> dict[str, Any]:
    values["resistance"]["equal-entropy"] = values["resistance"]["slices"] | {"equal_entropy": True}
    return values


def wildcards(experiment: str, **given: object) -> SimpleNamespace:
    return SimpleNamespace(task="reviews", experiment=experiment, base="nano", seed="1", **given)


def test_slices_and_responses_are_shared_and_tuning_is_not(values: dict[str, Any]) -> None:
    resistance = ResistanceJobs(read_study(values))
    plain, equal = wildcards("slices"), wildcards("equal-entropy")
    folder = "results/tiny/reviews/resistance/{}/nano/seed1"
    assert resistance.slices(equal) == resistance.slices(plain) == f"{folder.format('slices')}/slices/checkpoints"
    assert resistance.twins(equal) == resistance.twins(plain)
    assert resistance.questions(equal) == resistance.questions(plain)
    assert set(resistance.cross_entropies(equal)).isdisjoint(resistance.cross_entropies(plain))
    assert resistance.chosen(plain) == []
    assert resistance.chosen(equal) == [f"{folder.format('equal-entropy')}/chosen.parquet"]
    table = Pipeline(read_study(values)).tables["entropies"]
    assert set(resistance.chosen(equal)) < set(table.inputs["chosen"](equal))


def test_readers_of_metrics_do_not_train_shared_slices_again(values: dict[str, Any]) -> None:
    """Verdicts and cards read the metrics of every job."""
    values["resistance"] = {name: part | {"bases": ["nano"]} for name, part in values["resistance"].items()}
    values["claims"] = {"equal": expected("equal-entropy", "kl-gap", "greater")}
    pipeline = Pipeline(read_study(values))
    folder = "results/tiny/reviews/resistance/{}/nano/seed1"
    slices, tuned = f"{folder.format('slices')}/slices", f"{folder.format('equal-entropy')}/tuned/3-1"
    for metrics in (pipeline.claims.metrics(), pipeline.report.card_metrics(SimpleNamespace(base="nano"))):
        assert {f"{slices}/metrics.json", f"{tuned}/metrics.json"} <= set(metrics)
        assert f"{folder.format('equal-entropy')}/slices/metrics.json" not in metrics
        assert len(set(metrics)) == len(metrics)


@pytest.mark.parametrize("key", ["slices", "twin_sampling", "question_sampling"])
def test_other_slices_or_responses_are_not_shared(values: dict[str, Any], key: str) -> None:
    changes = {"learning_rate": 1e-4} if key == "slices" else {"seed": 5}
    equal = values["resistance"]["equal-entropy"]
    equal[key] = equal[key] | changes
    assert ResistanceJobs(read_study(values)).maker("equal-entropy", "nano") == "equal-entropy"


def test_a_base_of_the_later_experiment_only_is_made_there(values: dict[str, Any]) -> None:
    values["resistance"]["slices"] = values["resistance"]["slices"] | {"bases": ["given"]}
    resistance = ResistanceJobs(read_study(values))
    assert resistance.maker("equal-entropy", "nano") == "equal-entropy"
    assert resistance.maker("equal-entropy", "given") == "slices"


def test_the_control_tunes_on_half_of_a_twin_data_set(values: dict[str, Any]) -> None:
    resistance = ResistanceJobs(read_study(values))
    jobs = (resistance.tune_job(wildcards(name, k="3", l="1")) for name in ("equal-entropy", "slices"))
    both = [json.loads(job) for job in jobs]
    equal, plain = (job["training"] for job in both)
    assert [job["cross_entropies"]["chosen"] for job in both] == [True, False]
    assert (equal["sizes"], equal["chosen_for"], equal["responses_of_slice"]) == ([0, 4], [3, 1], 1)
    assert (plain["sizes"], plain["chosen_for"], plain["start"]) == ([0, 8], None, equal["start"])
    stored = json.loads(resistance.cross_entropy_job(wildcards("equal-entropy", k="3", l="1")))
    assert stored == {"checkpoint": 4, "cross_entropies": both[0]["cross_entropies"]}
    assert json.loads(resistance.choosing_job(wildcards("equal-entropy")))["pairs"] == [[1, 2], [2, 3], [1, 3]]
    assert {pair for path in PATHS for pair in PAIRS if set(pair) == set(path)} == set(PAIRS)


def test_shared_jobs_are_counted_once(values: dict[str, Any]) -> None:
    values["resistance"] = {name: part | {"bases": ["nano"]} for name, part in values["resistance"].items()}
    study = read_study(values)
    stages = {stage.name: stage for stage in Budget(study).stages()}
    plain, equal = stages["resistance slices"], stages["resistance equal-entropy"]
    runs = len(study.seeds)
    assert (plain.jobs, equal.jobs) == (runs * (1 + len(PATHS)), runs * len(PATHS))
    assert equal.drawn_tokens == 0
    assert equal.examples == runs * len(PATHS) * 4


def test_the_control_has_a_table_of_entropies(values: dict[str, Any]) -> None:
    pipeline = Pipeline(read_study(values))
    tables = [target for target in pipeline.targets if "/entropies-" in target]
    assert tables == ["results/tiny/tables/entropies-equal-entropy.csv"]
