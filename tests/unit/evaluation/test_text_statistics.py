"""Text statistics against closed forms and direct counts, and their tables, figures and jobs."""

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
from elasticity.analysis.jobs import ReboundTableJob
from elasticity.analysis.table import read_csv, write_csv
from elasticity.analysis.tables.rebound import beside_scores
from elasticity.analysis.tables.text_statistics import (
    VALUES,
    text_statistics_seeds,
    text_statistics_table,
    warning,
)
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError
from elasticity.evaluation.text_statistics import AT_ONCE, distinct, distinct_responses, repetition, responses_at_once
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.plots.figure import FigureJob
from elasticity.plots.text_statistics import PANELS, text_statistics

RESPONSE = st.lists(st.integers(0, 3), max_size=12)
LENGTH = st.integers(3, 40)


# Measures


@given(RESPONSE, st.integers(1, 4))
def test_repetition_counts_the_ngrams_that_occurred_before(tokens: list[int], n: int) -> None:
    before: list[list[int]] = []
    repeated = 0
    for i in range(len(tokens) - n + 1):
        repeated += tokens[i : i + n] in before
        before.append(tokens[i : i + n])
    found = repetition(tokens, n)
    assert found == pytest.approx(repeated / len(before)) if before else math.isnan(found)


@given(LENGTH)
def test_a_repeated_token_repeats_all_ngrams_but_the_first(length: int) -> None:
    assert repetition([7] * length) == pytest.approx((length - 3) / (length - 2))
    assert repetition(range(length)) == 0


@given(LENGTH, st.integers(1, 6))
def test_a_loop_repeats_all_but_its_first_round(length: int, period: int) -> None:
    loop = [i % period for i in range(length)]
    assert repetition(loop) == pytest.approx(max(0, length - 2 - period) / (length - 2))


@given(st.lists(RESPONSE, max_size=6), st.integers(1, 3))
def test_distinct_counts_over_all_responses_but_not_across_them(responses: list[list[int]], n: int) -> None:
    words = [" ".join(map(str, tokens[i : i + n])) for tokens in responses for i in range(len(tokens) - n + 1)]
    found = distinct(responses, n)
    assert found == pytest.approx(len(set(words)) / len(words)) if words else math.isnan(found)


@given(LENGTH, st.integers(1, 9))
def test_a_repeated_response_adds_no_distinct_ngrams(length: int, times: int) -> None:
    responses = [list(range(length))] * times
    assert distinct(responses, 2) == pytest.approx(1 / times)
    assert distinct_responses(responses) == pytest.approx(1 / times)


def test_statistics_of_no_responses_are_nan() -> None:
    assert math.isnan(distinct_responses([]))
    assert distinct_responses([[], [], [1]]) == pytest.approx(2 / 3)  # an empty response counts as a response


@pytest.mark.parametrize(("vocabulary", "longest"), [(320, 8), (32_000, 428), (152_064, 428), (2**20, 2**12)])
def test_a_pass_holds_what_fits_into_memory_and_at_least_one_response(vocabulary: int, longest: int) -> None:
    count = responses_at_once(vocabulary, longest)
    assert 1 <= count <= 64
    assert count == 1 or count * vocabulary * longest <= AT_ONCE


# Tables


@pytest.fixture
def job(values: dict[str, Any]) -> ReboundTableJob:
    study = read_study(values)
    return ReboundTableJob(
        experiment=study.rebound["existence"], seeds=study.seeds, alignment=study.alignment, inverse=study.inverse
    )


@pytest.fixture
def responses(job: ReboundTableJob) -> pd.DataFrame:
    """Two responses for each cell and seed and for the base model; if N is not 0, one of them repeats itself."""
    experiment, rows = job.experiment, []
    none = dict.fromkeys([*CELL, "seed"])
    cells = [none | {"base": base} for base in experiment.bases]
    for base in experiment.bases:
        for seed in (*job.seeds, 99):
            for size in experiment.alignment_sizes:
                for inverse_size in experiment.inverse_sizes:
                    key = (base, "positive", "alignment", "inverse", size, inverse_size, seed)
                    cells.append(dict(zip([*CELL, "seed"], key, strict=True)))
    for cell in cells:
        broken = bool(cell["inverse_size"])
        found = [[1, 2, 3, 4], [5] * 8 if broken else [5, 6, 7, 8]]
        repeated = [repetition(tokens) for tokens in found]
        nats = (cell["seed"] or 1) * (3.0 if broken else 1.0)
        for prompt, (tokens, share) in enumerate(zip(found, repeated, strict=True)):
            row = {"prompt_id": str(prompt), "response_tokens": tokens, "finished": prompt == 0, "repetition": share}
            rows.append(cell | row | {"coded_tokens": 4 + 2 * prompt, "base_nats": nats * (2 + prompt)})
    return pd.DataFrame(rows)


def test_statistics_are_over_all_responses_of_a_cell_and_seed(responses: pd.DataFrame, job: ReboundTableJob) -> None:
    found = text_statistics_seeds(responses, job)
    assert set(found["seed"]) == set(job.seeds)
    assert len(found) == len(job.seeds) * len(job.experiment.alignment_sizes) * len(job.experiment.inverse_sizes)
    whole, broken = (
        found[(found["seed"] == 2) & (found["inverse_size"] > 0) == sign].iloc[0] for sign in (False, True)
    )
    assert (whole["length"], broken["length"]) == (4, 6)
    assert (whole["finished"], whole["distinct_2"], whole["distinct_responses"]) == (0.5, 1, 1)
    assert broken["distinct_2"] == pytest.approx((3 + 1) / (3 + 7))
    assert broken["repetition"] == pytest.approx((0 + 5 / 6) / 2)
    assert whole["nats_per_token"] == pytest.approx((2 + 3) / (4 + 6) * whole["seed"])
    assert np.allclose(found["perplexity"], np.exp(found["nats_per_token"]))
    assert np.allclose(found["perplexity_ratio"], found["perplexity"] / np.exp(0.5))


def test_the_table_holds_the_base_models_values_for_each_cell(responses: pd.DataFrame, job: ReboundTableJob) -> None:
    table = text_statistics_table(text_statistics_seeds(responses, job), responses, job)
    for value in VALUES:
        assert {value, f"{value}_low", f"{value}_high", f"base_{value}"} <= set(table.columns)
    assert set(table["base_length"]) == {4}
    assert np.allclose(table["base_perplexity"], np.exp(0.5))
    assert set(table["base_perplexity_ratio"]) == {1}
    assert (table["warning"] != "").tolist() == (table["inverse_size"] > 0).tolist()


def test_a_warning_names_what_is_far_from_the_base_model() -> None:
    row = {name: value for part in VALUES for name, value in ((part, 1.0), (f"base_{part}", 1.0))}
    assert warning(row) == ""
    assert warning(row | {"perplexity_ratio": 2.5}) == "perplexity x2.5"
    assert warning(row | {"perplexity_ratio": 0.25, "repetition": 1.2}) == "perplexity x0.25, repetition +0.2"
    assert warning(row | {"length": 0.0, "distinct_2": 0.4}) == "distinct-2 x0.4, length x0"
    assert warning(row | dict.fromkeys(VALUES, float("nan"))) == ""


def test_scores_keep_their_order_and_get_the_warnings(
    responses: pd.DataFrame, job: ReboundTableJob, tmp_path: Path
) -> None:
    table = text_statistics_table(text_statistics_seeds(responses, job), responses, job)
    write_csv(table, tmp_path / "text_statistics.csv")
    scores = table[[*CELL]].iloc[::-1].assign(score=range(len(table)))
    found = beside_scores(scores, read_csv(tmp_path / "text_statistics.csv"))
    assert found["score"].tolist() == list(range(len(table)))
    assert found["warning"].fillna("").tolist() == table["warning"].tolist()[::-1]
    assert found["perplexity_ratio"].notna().all()


# Figure


def test_every_statistic_has_a_panel_with_the_base_model(responses: pd.DataFrame, job: ReboundTableJob) -> None:
    table = text_statistics_table(text_statistics_seeds(responses, job), responses, job)
    figure = text_statistics(table, FigureJob(bases=job.experiment.bases, sides=("positive", "neutral manual")))
    assert {axis.get_xlabel() for axis in figure.axes} == {"", "N, neutral manual examples"}
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == [*PANELS.values(), ""]
    for axis in figure.axes[:-1]:
        assert "base model" in axis.get_legend_handles_labels()[1]


# Graph


def test_the_table_reads_the_base_models_and_the_runs_of_its_experiment(values: dict[str, Any]) -> None:
    values["rebound"]["pretraining"]["text_statistics"] = True
    pipeline, where = Pipeline(read_study(values)), SimpleNamespace(experiment="pretraining")
    files = pipeline.tables["text_statistics"].inputs["text_statistics"](where)
    folder = "results/tiny/reviews/rebound"
    bases = ("nano-step3", "nano")
    assert files[:2] == [f"{folder}/{base}/text-statistics.parquet" for base in bases]
    runs = pipeline.rebound.experiment_runs(pipeline.study.rebound["pretraining"])
    assert files[2:] == [f"{pipeline.rebound.inverse_run(*run)}/text-statistics.parquet" for run in runs]
    assert len(runs) == 4


def test_only_experiments_with_text_statistics_are_measured(values: dict[str, Any]) -> None:
    def made(pipeline: Pipeline) -> list[str]:
        return [target for target in pipeline.targets if "text-statistics" in target]

    def read(pipeline: Pipeline, experiment: str) -> list[str]:
        """The text statistics that the table of scores reads."""
        files: list[str] = pipeline.tables["rebound"].inputs["text_statistics"](SimpleNamespace(experiment=experiment))
        return files

    pipeline = Pipeline(read_study(values))
    assert made(pipeline) == read(pipeline, "existence") == []
    values["rebound"]["existence"]["text_statistics"] = True
    pipeline = Pipeline(read_study(values))
    tables = ["results/tiny/tables/text-statistics-existence.csv"]
    assert made(pipeline) == [*tables, "results/tiny/figures/text-statistics-existence.svg"]
    assert read(pipeline, "existence") == tables
    assert read(pipeline, "pretraining") == []
    (base, *_) = pipeline.measurements.text_statistics(pipeline.study.rebound["existence"])
    assert base == "results/tiny/reviews/rebound/nano/text-statistics.parquet"


def test_text_statistics_need_a_score_model(values: dict[str, Any]) -> None:
    del values["tasks"]["reviews"]["score_model"]
    for experiment in values["rebound"].values():
        experiment["compression"] = True
    values["compression"] = {"window": 16, "stride": 8}
    values["rebound"]["existence"]["text_statistics"] = True
    with pytest.raises(UserError, match=r"existence\.text.statistics.*score_model"):
        read_study(values)
