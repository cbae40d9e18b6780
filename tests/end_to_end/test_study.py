"""The tiny study from start to finish: its results, and that they are reproducible."""

import contextlib
import csv
import json
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from elasticity.core.digests import file_digest
from elasticity.core.tables import read_rows
from elasticity.data.schemas import EXAMPLES
from elasticity.evaluation.schemas import RESPONSES
from tests.browser import dangling, look, needs_browser
from tests.conftest import Project, tiny_study

pytestmark = pytest.mark.slow


REPRODUCIBLE = {".csv", ".parquet", ".safetensors", ".svg", ".pdf", ".png"}
"""Suffixes of all results except metrics and benchmarks, which contain times."""


def digests(project: Project, *folders: str) -> dict[str, str]:
    """Return the digests of the reproducible files in some folders of the results."""
    results = project.folder / "results/tiny"
    files = [path for folder in folders for path in (results / folder).rglob("*") if path.suffix in REPRODUCIBLE]
    assert files
    return {path.relative_to(results).as_posix(): file_digest(path) for path in files}


def test_every_promised_result_is_there(finished: Project) -> None:
    results = finished.folder / "results/tiny"
    for experiment in ("rebound-existence", "rebound-pretraining", "resistance-slices/nano", "verdicts"):
        for suffix in ("svg", "pdf", "png"):
            assert (results / f"figures/{experiment}.{suffix}").stat().st_size > 1000
    with (results / "tables/rebound-existence.csv").open() as file:
        cells = {(int(row["alignment_size"]), int(row["inverse_size"])) for row in csv.DictReader(file)}
    assert cells == {(p, n) for p in (8, 16) for n in (0, 4, 8)}


def test_status_reports_a_finished_study_as_done(finished: Project) -> None:
    assert finished.status().splitlines() == [
        "study tiny, results in results/tiny",
        "  rebound existence      12 cells: 12 done",
        "  rebound pretraining     8 cells: 8 done",
        "  resistance slices       2 runs: 2 done",
        "  tables and figures     23 files: 23 done",
    ]


def test_every_claim_has_a_verdict_and_was_declared_before_training(finished: Project) -> None:
    tables = finished.folder / "results/tiny/tables"
    with (tables / "verdicts.csv").open() as file:
        verdicts = {row["claim"]: row for row in csv.DictReader(file)}
    assert list(verdicts) == ["crosses", "grows", "resists", "sinks"]
    # The claim "grows" counts only seeds whose alignment stage raised the score.
    seeds = {name: row["seeds"] for name, row in verdicts.items() if name != "grows"}
    assert seeds == {"crosses": "2", "resists": "2", "sinks": "2"}
    assert {row["verdict"] for row in verdicts.values()} <= {"confirmed", "refuted", "undecided", "not testable"}
    assert all(row["reason"] for row in verdicts.values())
    for row in verdicts.values():
        assert (tables.parent / row["figure"]).exists()
        assert (tables.parent / row["table"]).exists()
    record = json.loads((tables / "claims.json").read_text())
    # Pre-training; for each of two seeds two alignment runs, three inverse runs, the slices and six tuning runs.
    assert (record["training_jobs"], record["under_other_claims"]) == (1 + 2 * (2 + 3 + 1 + 6), 0)


def test_no_text_is_in_two_splits(finished: Project) -> None:
    splits = (finished.folder / "results/tiny/made-up/splits").glob("*.parquet")
    identities = [row["id"] for split in splits for row in read_rows(split, EXAMPLES)]
    assert len(identities) == len(set(identities)) > 300


def test_weights_of_inverse_stages_states_and_journals_are_removed(finished: Project) -> None:
    results = finished.folder / "results/tiny"
    assert list(results.glob("made-up/rebound/*/*/alignment/*/P[0-9]*/inverse/*/responses.parquet"))
    assert not list(results.glob("made-up/rebound/*/*/alignment/*/P[0-9]*/inverse/*/checkpoints"))
    assert not list(results.glob("state/*"))
    assert not list(results.rglob("*.journal"))


def test_provenance_names_what_made_the_results(finished: Project) -> None:
    results = finished.folder / "results/tiny"
    record = json.loads((results / "provenance/provenance.json").read_text())
    assert record["seeds"] == [1, 2]
    assert record["packages"]["torch"].startswith("2.")
    table = "results/tiny/tables/rebound-existence.csv"
    assert record["results"][table] == file_digest(finished.folder / table)


def test_an_extended_study_equals_one_that_was_killed_and_run_again(finished: Project, tmp_path: Path) -> None:
    """A checkpoint equals an independent run, extending equals starting anew, and a second run gives the same bytes."""
    study = tiny_study()
    study["rebound"]["existence"] |= {"alignment_sizes": [8, 12, 16], "inverse_sizes": [0, 4, 8, 12]}
    grown = finished.copy(tmp_path / "grown")
    grown.write_study(study)
    grown.snakemake()
    fresh = Project.new(tmp_path / "fresh")
    fresh.write_study(study)
    kill_in_the_middle(fresh)
    fresh.snakemake("--unlock")
    fresh.snakemake()
    assert digests(grown, "tables", "figures") == digests(fresh, "tables", "figures")
    shared = "made-up/splits", "made-up/rebound/nano-step3", "made-up/resistance"
    assert digests(finished, *shared) == digests(fresh, *shared)


def kill_in_the_middle(project: Project) -> None:
    """Start the study, and kill Snakemake and its jobs once some inverse stages have generated responses."""
    log = (project.folder / "killed.log").open("w")
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    process = psutil.Popen(command, cwd=project.folder, stdout=log, stderr=log)
    rebound = project.folder / "results/tiny/made-up/rebound"  # other folders hold states, which are removed meanwhile
    while len(list(rebound.glob("*/*/alignment/*/P[0-9]*/inverse/*/responses.parquet"))) < 2:
        assert process.poll() is None, (project.folder / "killed.log").read_text()
        time.sleep(0.1)
    family = [process, *process.children(recursive=True)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family)


def test_a_model_folder_serves_as_a_base_model(finished: Project, tmp_path: Path) -> None:
    """A checkpoint of the workflow is an ordinary model folder; imported, it generates the same responses."""
    project = finished.copy(tmp_path / "folder")
    study = tiny_study()
    study["models"]["imported"] = {"kind": "folder", "path": "results/tiny/models/nano/checkpoints/6"}
    study["rebound"]["pretraining"]["bases"].append("imported")
    project.write_study(study)
    rebound = "results/tiny/made-up/rebound"
    project.snakemake(f"{rebound}/imported/responses.parquet")
    own, imported = (
        [row["response_tokens"] for row in read_rows(project.folder / rebound / base / "responses.parquet", RESPONSES)]
        for base in ("nano", "imported")
    )
    assert own == imported


def test_with_a_decaying_learning_rate_each_size_is_a_run_of_its_own(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "cosine")
    study = tiny_study()
    study["inverse"] = study["inverse"] | {"schedule": "cosine", "epochs": 2}
    project.write_study(study)
    folder = "results/tiny/made-up/rebound/nano/positive/alignment/seed1/P8/inverse"
    project.snakemake(*(f"{folder}/{size}/responses.parquet" for size in (0, 4, 8)))
    updates = [len(pq.read_table(project.folder / folder / f"{size}/losses.parquet")) for size in (0, 4, 8)]
    assert updates == [0, 2, 4]
    unchanged, before = (
        [
            row["response_tokens"]
            for row in read_rows(project.folder / folder / run_sizes / "responses.parquet", RESPONSES)
        ]
        for run_sizes in ("0", "0-4-8")
    )
    # N = 0 is the checkpoint of the alignment stage, whatever the schedule.
    assert unchanged == before[: len(unchanged)]


def test_the_report_holds_every_figure_and_caption(finished: Project) -> None:
    report = finished.folder / "results/tiny/report.html"
    text = report.read_text()
    for name in ("rebound-existence.svg", "rebound-pretraining.svg", "nano.svg", "quality.json"):
        assert name in text
    assert dangling(report) == []


@needs_browser
def test_a_browser_shows_the_report(finished: Project, tmp_path: Path) -> None:
    seen = look(finished.folder / "results/tiny/report.html", 400, tmp_path)
    assert seen.console == []
    assert seen.measures["pictures"] >= 3
    assert seen.measures["broken"] == 0
    assert seen.measures["content"] == 400


def test_snakemakes_own_report_works_too(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "report")
    project.snakemake("--report", "report.html")
    assert "rebound-existence.svg" in (project.folder / "report.html").read_text()
