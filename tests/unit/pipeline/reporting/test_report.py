"""The report in the graph: provenance, cards, and the items of the page."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.hardware import Hardware
from elasticity.config.loading import read_study
from elasticity.pipeline.reporting.report import ReportJobs
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.report.card_schema import CardJob
from elasticity.report.contents import RECORDS, ReportJob
from elasticity.report.provenance import ProvenanceJob
from tests.conftest import expected

Values = dict[str, Any]

NONE = SimpleNamespace()
RESULTS = "results/tiny"
TABLES = f"{RESULTS}/tables"

pytestmark = pytest.mark.usefixtures("empty_folder")


def report_of(values: Values) -> ReportJobs:
    return Pipeline(read_study(values)).report


def of(base: str) -> SimpleNamespace:
    return SimpleNamespace(base=base)


def test_provenance_does_not_depend_on_the_hardware(values: Values) -> None:
    before = report_of(values).provenance_job(NONE)
    values["hardware"] = {"device": "cuda", "gpus_per_node": 8}
    assert report_of(values).provenance_job(NONE) == before
    assert ProvenanceJob.model_validate_json(before).study.hardware == Hardware()


# Cards


def test_every_base_model_of_an_experiment_has_a_card(values: Values) -> None:
    names = ("nano", "nano-step3", "given")
    assert report_of(values).cards() == [f"{RESULTS}/cards/{name}.json" for name in names]


def test_a_card_has_the_experiments_of_its_base_model(values: Values) -> None:
    report = report_of(values)
    job = CardJob.model_validate_json(report.card_job(of("nano-step3")))
    assert (set(job.rebound), set(job.resistance)) == ({"pretraining"}, set())
    job = CardJob.model_validate_json(report.card_job(of("given")))
    assert (set(job.rebound), set(job.resistance)) == (set(), {"slices"})


def test_a_card_reads_the_tables_of_its_experiments_and_tasks(values: Values) -> None:
    values["rebound"]["existence"]["divergence"] = True
    report = report_of(values)
    measures = [f"{TABLES}/measures-{name}.csv" for name in ("existence", "pretraining", "slices")]
    bits, divergence = f"{TABLES}/bits-per-byte-reviews.csv", f"{TABLES}/divergence-existence.csv"
    assert sorted(report.card_tables(of("nano"))) == sorted([*measures, divergence, bits])
    assert sorted(report.card_tables(of("nano-step3"))) == sorted([measures[1], bits])
    assert sorted(report.card_tables(of("given"))) == sorted([measures[2], bits])
    assert report.declared_claims(NONE) == []


def test_cards_show_verdicts_if_there_are_claims(values: Values) -> None:
    values["claims"] = {"a": expected("slices", "kl-gap", "greater")}
    report = report_of(values)
    assert f"{TABLES}/verdicts.csv" in report.card_tables(of("given"))
    (declared,) = report.declared_claims(NONE)
    assert declared.startswith(f"{TABLES}/")


def test_a_card_reads_the_metrics_of_every_job_that_starts_from_its_base_model(values: Values) -> None:
    files = report_of(values).card_metrics(of("nano-step3"))
    folder = "results/tiny/reviews/rebound/nano-step3/positive/alignment"
    runs = [f"seed{seed}/{run}" for seed in (1, 2) for run in ("P/16", "P16/inverse/0-8-12")]
    assert sorted(files) == sorted(
        [f"{RESULTS}/models/nano/metrics.json", *(f"{folder}/{it}/metrics.json" for it in runs)]
    )
    tuned = [f"tuned/{path}" for path in ("1-2", "1-3", "2-1", "2-3", "3-1", "3-2")]
    folder = "results/tiny/reviews/resistance/slices/given"
    runs = [f"seed{seed}/{run}" for seed in (1, 2) for run in ("slices", *tuned)]
    files = report_of(values).card_metrics(of("given"))
    assert sorted(files) == sorted(
        [f"{RESULTS}/models/given/metrics.json", *(f"{folder}/{it}/metrics.json" for it in runs)]
    )


# Page


def test_the_page_reads_every_file_that_it_shows(values: Values) -> None:
    pipeline = Pipeline(read_study(values))
    inputs = set(pipeline.report.inputs(NONE))
    job = ReportJob.model_validate_json(pipeline.report.page_job(NONE))
    assert (job.study, job.results) == ("tiny", RESULTS)
    shown = {item.files[0] for item in job.items}
    assert shown == inputs
    assert len(job.items) == len(shown)
    assert set(pipeline.targets) < inputs
    assert {f"{RESULTS}/reviews/score-model/quality.json", f"{RESULTS}/cards/nano.json"} < inputs
    assert f"{RESULTS}/provenance/provenance.json" in inputs


def test_items_have_the_wildcards_of_their_paths(values: Values) -> None:
    items = ReportJob.model_validate_json(report_of(values).page_job(NONE)).items
    wildcards = {item.files[0].removeprefix(f"{RESULTS}/"): item.wildcards for item in items}
    assert wildcards["figures/rebound-existence.svg"] == {"experiment": "existence"}
    assert wildcards["figures/resistance-slices/given.svg"] == {"experiment": "slices", "base": "given"}
    assert wildcards["tables/bits-per-byte-reviews.csv"] == {"task": "reviews"}
    assert wildcards["reviews/score-model/quality.json"] == {"task": "reviews"}
    assert wildcards["reviews/examples.json"] == {"task": "reviews"}
    assert wildcards["cards/given.json"] == {"base": "given"}


def test_captions_quote_the_settings_of_theory_and_calibration(values: Values) -> None:
    values |= {"theory": {"draws": 3000}, "calibration": {"draws": 60}}
    items = ReportJob.model_validate_json(report_of(values).page_job(NONE)).items
    numbers = {item.name: item.numbers for item in items if item.kind == "figure"}
    assert numbers["theory"] == {"draws": 3000}
    assert numbers["calibration"]["draws"] == 60
    assert numbers["rebound"] == {}


def test_new_words_make_a_new_page(values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(values)
    before = ReportJob.model_validate_json(report.page_job(NONE)).words
    assert ReportJob.model_validate_json(report_of(values).page_job(NONE)).words == before
    other = replace(RECORDS["card"], caption="Other words.")
    monkeypatch.setattr("elasticity.report.contents.RECORDS", {**RECORDS, "card": other})
    assert ReportJob.model_validate_json(report.page_job(NONE)).words != before
