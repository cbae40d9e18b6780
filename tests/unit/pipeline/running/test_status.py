"""The status of a study, in a folder with the files that jobs leave."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticity.config.loading import read_study_file
from elasticity.pipeline.resistance import PATHS
from elasticity.pipeline.running.status import status
from elasticity.runtime.journal import Journal

RESULTS = Path("results/tiny")
RUN = RESULTS / "reviews/rebound/nano/positive/alignment/seed1"
RESISTANCE = RESULTS / "reviews/resistance/slices/nano"
Begin = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(yaml.safe_dump(values))
    return Path("my.yaml")


def lines_of(study_file: Path) -> list[str]:
    return status(read_study_file(study_file), study_file).splitlines()


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def fail(output: Path, message: str) -> None:
    journal = Journal(output)
    journal.open()
    journal.close("failed", message)


def test_all_cells_of_a_study_that_has_not_begun_are_waiting(study_file: Path) -> None:
    assert lines_of(study_file) == [
        "study tiny, results in results/tiny",
        "  rebound existence      12 cells: 12 waiting",
        "  rebound pretraining    12 cells: 12 waiting",
        "  resistance slices       4 runs: 4 waiting",
        "  tables and figures     17 files: 17 waiting",
    ]


def test_cells_are_done_if_their_responses_exist(study_file: Path) -> None:
    touch(
        RUN / "P8/inverse/0-4-8/responses.parquet",
        RUN / "P16/inverse/0-4-8-12/responses.parquet",
        RESISTANCE / "seed2/x.parquet",
    )
    touch(*(RESISTANCE / f"seed1/tuned/{k}-{m}/cross-entropies.parquet" for k, m in PATHS))
    touch(RESISTANCE / "seed2/tuned/1-2/cross-entropies.parquet", Path("results/tiny/tables/rebound-existence.csv"))
    assert lines_of(study_file)[1:] == [
        "  rebound existence      12 cells: 6 done, 6 waiting",
        "  rebound pretraining    12 cells: 3 done, 9 waiting",
        "  resistance slices       4 runs: 1 done, 3 waiting",
        "  tables and figures     17 files: 1 done, 16 waiting",
    ]


def test_cells_that_are_not_scored_are_done_if_their_compression_rates_exist(
    study_file: Path, unscored: dict[str, Any]
) -> None:
    study_file.write_text(yaml.safe_dump(unscored))
    touch(RUN / "P8/inverse/0-4-8/compression.parquet")
    assert lines_of(study_file)[1] == "  rebound existence      12 cells: 3 done, 9 waiting"


def test_a_running_job_shows_its_progress(study_file: Path, begin: Begin) -> None:
    begin(RUN / "P8/inverse/0-4-8/checkpoints")
    begin(RESISTANCE / "seed1/tuned/1-2/checkpoints")
    lines = lines_of(study_file)
    assert lines[1] == "  rebound existence      12 cells: 3 running, 9 waiting"
    assert lines[3] == "  resistance slices       4 runs: 1 running, 3 waiting"
    assert lines[6] == f"running: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/checkpoints"
    assert lines[7].startswith("  train 120/400 updates, 2 a second, 2 min 20 s left, on ")
    assert lines[9] == f"running: {RESISTANCE.relative_to(RESULTS)}/seed1/tuned/1-2/checkpoints"
    assert "run only these again:" not in lines


def test_cells_wait_while_their_alignment_stage_runs(study_file: Path, begin: Begin) -> None:
    begin(RUN / "P/8-16/checkpoints")
    assert lines_of(study_file)[1] == "  rebound existence      12 cells: 12 waiting"


def test_a_failed_job_shows_its_message_and_the_command_that_repeats_it(study_file: Path) -> None:
    fail(RUN / "P8/inverse/0-4-8/checkpoints", "update 3: loss nan")
    fail(Path("results/tiny/models/nano/checkpoints"), "too few texts")
    lines = lines_of(study_file)
    assert lines[1] == "  rebound existence      12 cells: 3 failed, 9 waiting"
    assert lines[6:8] == ["failed: models/nano/checkpoints", "  too few texts"]
    assert lines[9:11] == [f"failed: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/checkpoints", "  update 3: loss nan"]
    again = f"results/tiny/models/nano/checkpoints {RUN}/P8/inverse/0-4-8/checkpoints"
    assert lines[12] == "run only these again:"
    assert re.fullmatch(rf"  \S+/snakemake --configfile my.yaml --cores all -- {again}", lines[13])


def test_a_job_that_failed_on_a_cluster_is_repeated_on_the_cluster(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    fail(RUN / "P8/inverse/0-4-8/checkpoints", "update 3: loss nan")
    assert f"--configfile my.yaml --profile slurm -- {RUN}/P8/inverse/0-4-8/checkpoints" in lines_of(study_file)[-1]


def test_a_killed_job_is_interrupted_and_shows_its_progress(study_file: Path, begin: Begin) -> None:
    process = begin(RUN / "P8/inverse/0-4-8/responses.parquet")
    process.kill()
    process.wait()
    lines = lines_of(study_file)
    assert lines[1] == "  rebound existence      12 cells: 3 interrupted, 9 waiting"
    assert lines[6] == f"interrupted: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/responses.parquet"
    assert lines[7].startswith("  train 120/400 updates, on ")


def test_an_empty_journal_counts_as_interrupted(study_file: Path) -> None:
    touch(RUN / "P8/inverse/0-4-8/.checkpoints.journal")
    assert f"interrupted: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/checkpoints" in lines_of(study_file)


def test_lines_without_paths_fit_a_terminal(study_file: Path, begin: Begin) -> None:
    begin(RESISTANCE / "seed1/tuned/1-2/checkpoints")
    process = begin(RUN / "P8/inverse/0-4-8/responses.parquet")
    process.kill()
    process.wait()
    without_paths = [line for line in lines_of(study_file) if "/" not in line.replace("120/400", "")]
    assert len(without_paths) > 5
    assert max(map(len, without_paths)) <= 80


def test_a_running_job_counts_before_a_failed_one(study_file: Path, begin: Begin) -> None:
    """The responses failed, and the inverse stage runs again because its weights were temporary."""
    fail(RUN / "P8/inverse/0-4-8/responses.parquet", "no memory")
    begin(RUN / "P8/inverse/0-4-8/checkpoints")
    assert lines_of(study_file)[1] == "  rebound existence      12 cells: 3 running, 9 waiting"


def test_checkpoints_that_are_gone_are_named_with_the_command_that_makes_them_again(study_file: Path) -> None:
    model, run = RESULTS / "models/nano", RUN / "P/8-16"
    touch(model / "metrics.json", run / "metrics.json", model / "checkpoints/6/config.json")
    touch(run / "checkpoints/8/config.json", run / "checkpoints/16/config.json")
    text = "\n".join(lines_of(study_file))
    assert (
        "\n\ngone: 3 of models/nano/checkpoints\n  make them again:\n  rm -rf results/tiny/models/nano/checkpoints && "
        in text
    )
    assert text.endswith("--configfile my.yaml --cores all -- results/tiny/models/nano/checkpoints")
    assert text.count("gone: ") == 1
    touch(model / "checkpoints/3/config.json")
    assert "gone" not in "\n".join(lines_of(study_file))
