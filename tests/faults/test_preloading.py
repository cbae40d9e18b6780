"""Jobs that fork servers fork write the bytes of plain commands, and switching between them reruns nothing."""

import csv
from pathlib import Path

import pytest

from elasticity.core.digests import folder_digest
from elasticity.runtime.preloading import SWITCH
from tests.conftest import Project

pytestmark = pytest.mark.slow

TARGETS = (
    "results/tiny/made-up/rebound/nano/positive/alignment/seed1/P/8-16/losses.parquet",
    "results/tiny/made-up/prompts/prompts.parquet",
)


def benchmark(project: Project, name: str) -> dict[str, str]:
    """Return the row of a benchmark file."""
    with (project.folder / "results/tiny/benchmarks" / f"{name}.tsv").open() as file:
        return next(csv.DictReader(file, delimiter="\t"))


def test_forked_jobs_write_the_same_bytes_and_rerun_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    projects = {}
    for switch in ("0", "1"):
        monkeypatch.setenv(SWITCH, switch)
        projects[switch] = Project.new(tmp_path / switch)
        projects[switch].snakemake("--", *TARGETS)
    for switch, project in projects.items():
        monkeypatch.setenv(SWITCH, "0" if switch == "1" else "1")
        assert "Nothing to be done" in project.snakemake("--dry-run", "--", *TARGETS)
    plain, forked = (project.folder / "results/tiny" for project in projects.values())
    for name in ("made-up/splits", "made-up/tokenizers", "made-up/prompts", "models/nano/checkpoints"):
        assert folder_digest(forked / name) == folder_digest(plain / name)
    for path in plain.glob("**/losses.parquet"):
        assert (forked / path.relative_to(plain)).read_bytes() == path.read_bytes()
    used = {switch: benchmark(project, "models/nano") for switch, project in projects.items()}
    assert used["0"]["max_pss"] != "-"
    assert used["1"]["max_pss"] == "-"  # It is not recorded for a forked job.
    assert float(used["1"]["max_rss"]) > 200
