"""A cluster for the session, and studies so small that a run takes little more than the start of its jobs."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elasticity.runtime.journal import journals
from tests.conftest import Project, expected, tiny_study
from tests.slurm.cluster import ACCOUNTING_PACKAGES, PACKAGES, Cluster, Job, missing

FAST = ("--slurm-init-seconds-before-status-checks", "1", "--max-status-checks-per-second", "2")
"""Options in addition to the profile: query the states of jobs more often than on a real cluster."""

IMPATIENT = """
import snakemake_executor_plugin_slurm

snakemake_executor_plugin_slurm.Executor.next_seconds_between_status_checks = property(lambda _: 1, lambda *_: None)
"""
"""Code at the end of a Snakefile: one second between queries. The plugin waits ten seconds longer after each query."""

RUN_PATIENCE_S = 900
"""Time limit of a run, in seconds. The longest run takes two minutes on an idle machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder as slow, and skip them if SLURM is not installed."""
    packages = missing(PACKAGES)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if packages:
                item.add_marker(pytest.mark.skip(f"SLURM is not installed: apt-get install {' '.join(packages)}"))


def small_study() -> dict[str, Any]:
    """Return a study with one seed, one P, two N and no resistance experiment."""
    study = tiny_study()
    del study["resistance"]
    study["seeds"] = [1]
    study["models"]["nano"]["checkpoints"] = []
    existence = {"task": "made-up", "bases": ["nano"], "alignment_sizes": [8], "inverse_sizes": [0, 4]}
    return study | {"rebound": {"existence": existence}, "claims": {"falls": expected("existence", "end", "less")}}


def slow_study() -> dict[str, Any]:
    """Return the small study with a pre-training of about ten seconds, which a test can disturb."""
    study = small_study()
    model = study["models"]["nano"]
    model |= {"hidden_size": 256, "layers": 4, "context": 8, "updates": 200}
    model["optimization"]["batch_size"] = 1
    return study


class SlurmProject(Project):
    """A project whose jobs are submitted to a cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        super().__init__(folder)
        self.cluster = cluster
        with (folder / "Snakefile").open("a") as snakefile:
            snakefile.write(IMPATIENT)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``snakemake --profile slurm``, whose output is in ``output``.

        It receives SIGINT even if these tests run in the background of a shell, where child processes ignore it.
        """
        with self.log.open("w") as log:
            return subprocess.Popen(
                ["env", "--default-signal=INT", "snakemake", "--profile", "slurm", *FAST, *arguments],
                cwd=self.folder,
                env=self.cluster.environment(),
                stdout=log,
                stderr=log,
                text=True,
            )

    def submit(self, *arguments: str, ok: bool = True) -> str:
        """Run ``snakemake --profile slurm`` to its end and return what it printed."""
        return self.end(self.start(*arguments), ok)

    def end(self, run: subprocess.Popen[str], ok: bool = True) -> str:
        """Wait for a run that was started and return what it printed."""
        status = run.wait(timeout=RUN_PATIENCE_S)
        assert (status == 0) == ok, self.output
        return self.output

    def submissions(self) -> list[Job]:
        """Return every job that was submitted from this project."""
        return [job for job in self.cluster.jobs() if job.folder == self.folder]

    def is_training(self) -> bool:
        """Return whether a training job makes updates. Only then does it handle signals; before, they end it."""
        entries = [entry for _, entry in journals(self.folder / "results")]
        return any(entry.state == "running" and entry.what == "train" for entry in entries)

    def was_stopped(self) -> bool:
        """Return whether the training job has saved its state because of a signal, and has ended."""
        entries = [entry for _, entry in journals(self.folder / "results")]
        return any(entry.state == "stopped" and "state saved" in entry.message for entry in entries)

    def pause_training(self) -> None:
        """Stop the training job with SIGSTOP. SLURM sends SIGCONT before it ends a job, so it continues then."""
        (running,) = [entry for _, entry in journals(self.folder / "results") if entry.state == "running"]
        os.kill(running.pid, signal.SIGSTOP)

    @property
    def log(self) -> Path:
        return self.folder / "snakemake.log"

    @property
    def output(self) -> str:
        return self.log.read_text()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def accounting_cluster() -> Iterator[Cluster]:
    packages = missing(ACCOUNTING_PACKAGES)
    if packages:
        pytest.skip(f"no accounting: apt-get install {' '.join(packages)}")
    with Cluster(accounting=True) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small study, run on this machine without SLURM."""
    project = Project.new(tmp_path_factory.mktemp("local"))
    project.write_study(small_study())
    project.snakemake()
    return project


@pytest.fixture
def project(local: Project, cluster: Cluster, tmp_path: Path) -> SlurmProject:
    """A copy of the finished small study, of which tests change something and make a file again."""
    return SlurmProject(local.copy(tmp_path / "project").folder, cluster)
