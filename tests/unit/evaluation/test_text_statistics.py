"""Measures of answers against closed forms and written-out counts, and their tables."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticity.analysis.aggregation import CELL
from elasticity.analysis.jobs import ReboundJudgeJob
from elasticity.analysis.tables import read_csv, write_csv
from elasticity.analysis.usefulness import VALUES, beside_scores, usefulness_seeds, usefulness_table, warning
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.text_statistics import AT_ONCE, answers_at_once, distinct, distinct_answers, repetition
from elasticity.pipeline.analyses import UsefulnessPlan
from elasticity.pipeline.rebound import Plan
from elasticity.plots.rebound import PANELS, usefulness

ANSWER = st.lists(st.integers(0, 3), max_size=12)
LENGTH = st.integers(3, 40)


def plan(values: dict[str, Any]) -> UsefulnessPlan:
    return UsefulnessPlan(Plan(read_study(values)))


# Measures


@given(ANSWER, st.integers(1, 4))
def test_what_is_repeated_occurred_before(tokens: list[int], n: int) -> None:
    before: list[list[int]] = []
    repeated = 0
    for i in range(len(tokens) - n + 1):
        repeated += tokens[i : i + n] in before
        before.append(tokens[i : i + n])
    found = repetition(tokens, n)
    assert found == pytest.approx(repeated / len(before)) if before else math.isnan(found)


@given(LENGTH)
def test_one_token_again_and_again_repeats_all_but_the_first(length: int) -> None:
    assert repetition([7] * length) == pytest.approx((length - 3) / (length - 2))
    assert repetition(range(length)) == 0


@given(LENGTH, st.integers(1, 6))
def test_a_loop_repeats_all_but_its_first_round(length: int, period: int) -> None:
    loop = [i % period for i in range(length)]
    assert repetition(loop) == pytest.approx(max(0, length - 2 - period) / (length - 2))


@given(st.lists(ANSWER, max_size=6), st.integers(1, 3))
def test_distinct_counts_over_all_answers_but_not_across_them(answers: list[list[int]], n: int) -> None:
    words = [" ".join(map(str, tokens[i : i + n])) for tokens in answers for i in range(len(tokens) - n + 1)]
    found = distinct(answers, n)
    assert found == pytest.approx(len(set(words)) / len(words)) if words else math.isnan(found)


@given(LENGTH, st.integers(1, 9))
def test_the_same_answer_again_adds_nothing_distinct(length: int, times: int) -> None:
    answers = [list(range(length))] * times
    assert distinct(answers, 2) == pytest.approx(1 / times)
    assert distinct_answers(answers) == pytest.approx(1 / times)


def test_no_answers_have_no_measures() -> None:
    assert math.isnan(distinct_answers([]))
    assert distinct_answers([[], [], [1]]) == pytest.approx(2 / 3)  # an empty answer is one, too


@pytest.mark.parametrize(("vocabulary", "longest"), [(320, 8), (32_000, 428), (152_064, 428), (2**20, 2**12)])
def test_a_pass_holds_what_fits_but_one_answer_at_least(vocabulary: int, longest: int) -> None:
    count = answers_at_once(vocabulary, longest)
    assert 1 <= count <= 64
    assert count == 1 or count * vocabulary * longest <= AT_ONCE


# Tables


@pytest.fixture
def job(values: dict[str, Any]) -> ReboundJudgeJob:
    study = read_study(values)
    return ReboundJudgeJob(experiment=study.rebound["existence"], seeds=study.seeds, second_side=study.second_side)


@pytest.fixture
def answers(job: ReboundJudgeJob) -> pd.DataFrame:
    """Two answers a cell and seed, of the base model, too; one has N in it and repeats itself, if N is not 0."""
    experiment, rows = job.experiment, []
    none = dict.fromkeys([*CELL, "seed"])
    cells = [none | {"base": base} for base in experiment.bases]
    for base in experiment.bases:
        for seed in (*job.seeds, 99):
            for first in experiment.first_sizes:
                for second in experiment.second_sizes:
                    key = (base, "positive", "first", "second", first, second, seed)
                    cells.append(dict(zip([*CELL, "seed"], key, strict=True)))
    for cell in cells:
        broken = bool(cell["second_size"])
        found = [[1, 2, 3, 4], [5] * 8 if broken else [5, 6, 7, 8]]
        repeated = [repetition(tokens) for tokens in found]
        nats = (cell["seed"] or 1) * (3.0 if broken else 1.0)
        for prompt, (tokens, share) in enumerate(zip(found, repeated, strict=True)):
            row = {"prompt_id": str(prompt), "answer_tokens": tokens, "finished": prompt == 0, "repetition": share}
            rows.append(cell | row | {"coded_tokens": 4 + 2 * prompt, "base_nats": nats * (2 + prompt)})
    return pd.DataFrame(rows)


def test_a_cell_and_seed_is_measured_as_a_whole(answers: pd.DataFrame, job: ReboundJudgeJob) -> None:
    found = usefulness_seeds(answers, job)
    assert set(found["seed"]) == set(job.seeds)
    assert len(found) == len(job.seeds) * len(job.experiment.first_sizes) * len(job.experiment.second_sizes)
    whole, broken = (found[(found["seed"] == 2) & (found["second_size"] > 0) == sign].iloc[0] for sign in (False, True))
    assert (whole["length"], broken["length"]) == (4, 6)
    assert (whole["finished"], whole["distinct_2"], whole["distinct_answers"]) == (0.5, 1, 1)
    assert broken["distinct_2"] == pytest.approx((3 + 1) / (3 + 7))
    assert broken["repetition"] == pytest.approx((0 + 5 / 6) / 2)
    assert whole["nats_per_token"] == pytest.approx((2 + 3) / (4 + 6) * whole["seed"])
    assert np.allclose(found["perplexity"], np.exp(found["nats_per_token"]))
    assert np.allclose(found["perplexity_ratio"], found["perplexity"] / np.exp(0.5))


def test_the_base_models_own_answers_stand_beside_each_cell(answers: pd.DataFrame, job: ReboundJudgeJob) -> None:
    table = usefulness_table(usefulness_seeds(answers, job), answers, job)
    for value in VALUES:
        assert {value, f"{value}_low", f"{value}_high", f"base_{value}"} <= set(table.columns)
    assert set(table["base_length"]) == {4}
    assert np.allclose(table["base_perplexity"], np.exp(0.5))
    assert set(table["base_perplexity_ratio"]) == {1}
    assert (table["warning"] != "").tolist() == (table["second_size"] > 0).tolist()


def test_a_warning_says_what_is_far_from_the_base_model() -> None:
    row = {name: value for part in VALUES for name, value in ((part, 1.0), (f"base_{part}", 1.0))}
    assert warning(row) == ""
    assert warning(row | {"perplexity_ratio": 2.5}) == "perplexity x2.5"
    assert warning(row | {"perplexity_ratio": 0.25, "repetition": 1.2}) == "perplexity x0.25, repetition +0.2"
    assert warning(row | {"length": 0.0, "distinct_2": 0.4}) == "distinct-2 x0.4, length x0"
    assert warning(row | dict.fromkeys(VALUES, float("nan"))) == ""


def test_scores_keep_their_order_and_get_the_warnings(
    answers: pd.DataFrame, job: ReboundJudgeJob, tmp_path: Path
) -> None:
    table = usefulness_table(usefulness_seeds(answers, job), answers, job)
    write_csv(table, tmp_path / "usefulness.csv")
    scores = table[[*CELL]].iloc[::-1].assign(score=range(len(table)))
    found = beside_scores(scores, read_csv(tmp_path / "usefulness.csv"))
    assert found["score"].tolist() == list(range(len(table)))
    assert found["warning"].fillna("").tolist() == table["warning"].tolist()[::-1]
    assert found["perplexity_ratio"].notna().all()


# Figure


def test_every_measure_has_a_panel_with_its_base_model(answers: pd.DataFrame, job: ReboundJudgeJob) -> None:
    table = usefulness_table(usefulness_seeds(answers, job), answers, job)
    figure = usefulness(table, job.experiment.bases, ("positive", "neutral manual"))
    assert {axis.get_xlabel() for axis in figure.axes} == {"", "N, neutral manual examples"}
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [*PANELS.values(), ""]
    for axis in figure.axes[:-1]:
        assert "base model" in axis.get_legend_handles_labels()[1]


# Graph


def test_a_base_is_measured_once_with_the_cells_that_ask(values: dict[str, Any]) -> None:
    for experiment in values["rebound"].values():
        experiment["usefulness"] = True
    found, where = plan(values), SimpleNamespace(task="reviews", base="nano", experiment="existence")
    first, *others = found.answers(where)
    assert first == "results/tiny/reviews/rebound/nano/answers.parquet"
    jobs = {
        f"{found.plan.second_run(second, ladder)}/answers.parquet"
        for second, ladder in found.plan.second_side_jobs()
        if second.trajectory.base == "nano"
    }
    assert jobs == set(others)
    assert len(jobs) == len(others)
    assert found.measured(where) == ["results/tiny/reviews/rebound/nano/usefulness.parquet"]
    assert json.loads(found.job(where)) == {"base_rung": found.study.bases["nano"][1]}


def test_only_what_is_asked_for_is_measured(values: dict[str, Any]) -> None:
    where = SimpleNamespace(task="reviews", base="nano", experiment="existence")
    assert plan(values).targets() == plan(values).table(where) == []
    values["rebound"]["existence"]["usefulness"] = True
    found = plan(values)
    tables = ["results/tiny/tables/usefulness-existence.csv"]
    assert found.targets() == [*tables, "results/tiny/figures/usefulness-existence.svg"]
    assert found.table(where) == tables
    assert found.table(SimpleNamespace(experiment="pretraining")) == []
    assert {path.split("/")[-3] for path in found.answers(where)[1:]} == {"second"}


def test_without_scores_there_are_no_answers_to_measure(values: dict[str, Any]) -> None:
    del values["tasks"]["reviews"]["score_model"]
    for experiment in values["rebound"].values():
        experiment["compression"] = True
    values["compression"] = {"window": 16, "stride": 8}
    values["rebound"]["existence"]["usefulness"] = True
    with pytest.raises(UserError, match=r"existence\.usefulness.*score_model"):
        read_study(values)
