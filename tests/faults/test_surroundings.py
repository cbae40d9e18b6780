"""Runs on machines that lack what most have: a home folder to write to, the programs of SLURM."""

import os
from pathlib import Path

import pytest

from tests.conftest import Project

pytestmark = pytest.mark.slow

SPLIT = "results/tiny/made-up/splits/positive.parquet"
HELD_OUT = "results/tiny/made-up/splits/held-out-positive.parquet"
CODE_LENGTHS = "results/tiny/tables/bits-per-byte-made-up.csv"
FIGURE = "results/tiny/figures/rebound-existence.svg"


@pytest.mark.parametrize(("preload", "paths"), [("0", (HELD_OUT, CODE_LENGTHS, FIGURE)), ("1", (SPLIT, FIGURE))])
def test_nothing_needs_a_home_folder(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preload: str, paths: tuple[str, ...]
) -> None:
    """Not even root can make a folder below a file. Plain jobs start slowly, so few of them run: one loads a model."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(finished.folder / "Snakefile"))
    monkeypatch.setenv("ELASTICITY_PRELOAD", preload)
    project = finished.copy(tmp_path / "copy")
    for path in paths:
        (project.folder / path).unlink()
    project.snakemake("--", *paths)
    for path in paths:
        assert (project.folder / path).read_bytes() == (finished.folder / path).read_bytes()


def test_a_machine_without_the_programs_of_slurm_is_told_before_anything_is_submitted(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = finished.copy(tmp_path / "copy")
    (project.folder / SPLIT).unlink()
    monkeypatch.setenv("PATH", str(without_slurm(tmp_path / "programs")))
    output = project.snakemake("--profile", "slurm", "--", SPLIT, ok=False)
    assert "sbatch, squeue, scancel cannot be found, so no job can be submitted to SLURM: run this on a login" in output
    assert "Traceback" not in output
    assert "Error executing" not in output


def without_slurm(folder: Path) -> Path:
    """Make a folder of links to the programs of this machine except those of SLURM."""
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for program in Path(place).glob("*"):
            if program.name not in ("sbatch", "squeue", "scancel", "sacct", "sinfo", "scontrol"):
                (folder / program.name).unlink(missing_ok=True)
                (folder / program.name).symlink_to(program)
    return folder
