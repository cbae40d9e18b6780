"""Where a study stands, in a folder with the traces that jobs leave."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from elasticity.config.loading import read_study_file
from elasticity.pipeline.status import status
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


def seen(study_file: Path) -> list[str]:
    return status(read_study_file(study_file), study_file).splitlines()


def done(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def fail(output: Path, message: str) -> None:
    journal = Journal(output)
    journal.open()
    journal.close("failed", message)


def test_a_study_that_has_not_begun_waits(study_file: Path) -> None:
    assert seen(study_file) == [
        "study tiny, results in results/tiny",
        "  rebound existence      12 cells: 12 waiting",
        "  rebound pretraining    12 cells: 12 waiting",
        "  resistance slices       4 runs: 4 waiting",
        "  tables and figures     14 files: 14 waiting",
    ]


def test_cells_are_done_when_their_responses_are_there(study_file: Path) -> None:
    done(
        RUN / "P8/inverse/0-4-8/responses.parquet",
        RUN / "P16/inverse/0-4-8-12/responses.parquet",
        RESISTANCE / "seed2/x.parquet",
    )
    done(RESISTANCE / "seed1/cross-entropies.parquet", Path("results/tiny/tables/rebound-existence.csv"))
    assert seen(study_file)[1:] == [
        "  rebound existence      12 cells: 6 done, 6 waiting",
        "  rebound pretraining    12 cells: 3 done, 9 waiting",
        "  resistance slices       4 runs: 1 done, 3 waiting",
        "  tables and figures     14 files: 1 done, 13 waiting",
    ]


def test_cells_that_are_not_scored_are_done_when_they_are_measured(study_file: Path, unscored: dict[str, Any]) -> None:
    study_file.write_text(yaml.safe_dump(unscored))
    done(RUN / "P8/inverse/0-4-8/compression.parquet")
    assert seen(study_file)[1] == "  rebound existence      12 cells: 3 done, 9 waiting"


def test_a_running_job_says_how_far_it_is(study_file: Path, begin: Begin) -> None:
    begin(RUN / "P8/inverse/0-4-8/checkpoints")
    begin(RESISTANCE / "seed1/tuned/1-2/checkpoints")
    lines = seen(study_file)
    assert lines[1] == "  rebound existence      12 cells: 3 running, 9 waiting"
    assert lines[3] == "  resistance slices       4 runs: 1 running, 3 waiting"
    assert lines[6] == f"running: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/checkpoints"
    assert lines[7].startswith("  train 120/400 updates, 2 a second, 2 min 20 s left, on ")
    assert lines[9] == f"running: {RESISTANCE.relative_to(RESULTS)}/seed1/tuned/1-2/checkpoints"
    assert "run only these again:" not in lines


def test_cells_wait_while_their_first_side_runs(study_file: Path, begin: Begin) -> None:
    begin(RUN / "P/8-16/checkpoints")
    assert seen(study_file)[1] == "  rebound existence      12 cells: 12 waiting"


def test_a_failed_job_says_why_and_how_to_run_it_again(study_file: Path) -> None:
    fail(RUN / "P8/inverse/0-4-8/checkpoints", "update 3: loss nan")
    fail(Path("results/tiny/models/nano/checkpoints"), "too few texts")
    lines = seen(study_file)
    assert lines[1] == "  rebound existence      12 cells: 3 failed, 9 waiting"
    assert lines[6:8] == ["failed: models/nano/checkpoints", "  too few texts"]
    assert lines[9:11] == [f"failed: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/checkpoints", "  update 3: loss nan"]
    again = f"results/tiny/models/nano/checkpoints {RUN}/P8/inverse/0-4-8/checkpoints"
    assert lines[12] == "run only these again:"
    assert re.fullmatch(rf"  \S+/snakemake --configfile my.yaml --cores all -- {again}", lines[13])


def test_failed_on_the_cluster_is_run_again_on_the_cluster(study_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    fail(RUN / "P8/inverse/0-4-8/checkpoints", "update 3: loss nan")
    assert f"--configfile my.yaml --profile slurm -- {RUN}/P8/inverse/0-4-8/checkpoints" in seen(study_file)[-1]


def test_a_killed_job_is_interrupted_and_says_how_far_it_was(study_file: Path, begin: Begin) -> None:
    process = begin(RUN / "P8/inverse/0-4-8/responses.parquet")
    process.kill()
    process.wait()
    lines = seen(study_file)
    assert lines[1] == "  rebound existence      12 cells: 3 interrupted, 9 waiting"
    assert lines[6] == f"interrupted: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/responses.parquet"
    assert lines[7].startswith("  train 120/400 updates, on ")


def test_half_a_journal_breaks_nothing(study_file: Path) -> None:
    done(RUN / "P8/inverse/0-4-8/.checkpoints.journal")
    assert f"interrupted: {RUN.relative_to(RESULTS)}/P8/inverse/0-4-8/checkpoints" in seen(study_file)


def test_it_fits_a_terminal(study_file: Path, begin: Begin) -> None:
    begin(RESISTANCE / "seed1/tuned/1-2/checkpoints")
    process = begin(RUN / "P8/inverse/0-4-8/responses.parquet")
    process.kill()
    process.wait()
    without_paths = [line for line in seen(study_file) if "/" not in line.replace("120/400", "")]
    assert len(without_paths) > 5
    assert max(map(len, without_paths)) <= 80


def test_what_runs_counts_before_what_failed(study_file: Path, begin: Begin) -> None:
    """The responses failed; now the inverse stage is made again, because its weights were temporary."""
    fail(RUN / "P8/inverse/0-4-8/responses.parquet", "no memory")
    begin(RUN / "P8/inverse/0-4-8/checkpoints")
    assert seen(study_file)[1] == "  rebound existence      12 cells: 3 running, 9 waiting"
