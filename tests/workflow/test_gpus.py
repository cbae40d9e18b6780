"""Jobs on one machine share its GPUs: a real run with fake GPUs."""

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from tests.conftest import Project
from tests.slurm.conftest import small_study
from tests.workflow.watching import Process, Watch

pytestmark = pytest.mark.slow


def overlap(one: Process, other: Process) -> bool:
    return one.start < other.end and other.start < one.end


def test_no_two_jobs_have_a_gpu_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four cores and three seeds: more jobs could run at once than there are GPUs."""
    project = Project.new(tmp_path / "project")
    study = small_study() | {"seeds": [1, 2, 3], "hardware": {"device": "cpu", "gpus_per_node": 2, "gpus": 1}}
    project.write_study(study)
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    watch = Watch(tmp_path / "watch", monkeypatch)
    project.snakemake("--cores", "4", "--resources", "gpu=2", "--", "results/tiny/made-up/scores.parquet")

    gpus: dict[str, list[Process]] = {"0": [], "1": []}
    others = []
    for process in watch.scripts():
        gpus.get(process.environment["CUDA_VISIBLE_DEVICES"] or "", others).append(process)
    jobs = Counter(process.script for taken in gpus.values() for process in taken)
    assert jobs == Counter({"pretrain.py": 1, "finetune.py": 3, "finetune_measured.py": 3, "measure.py": 1})
    assert {process.environment["CUDA_VISIBLE_DEVICES"] for process in others} == {None}
    for taken in gpus.values():
        assert not [pair for pair in combinations(taken, 2) if overlap(*pair)]
    assert any(overlap(one, other) for one in gpus["0"] for other in gpus["1"])  # Both were used at once.
