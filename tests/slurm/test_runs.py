"""The small study from start to finish on a cluster, and a job that fails."""

import subprocess
from collections import Counter

import pytest

from tests.conftest import Project
from tests.end_to_end.test_study import digests
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import SlurmProject, small_study

SUBMISSIONS = {
    "split": 8,
    "tokenizer": 1,
    "prompts": 1,
    "score_model": 1,
    "pretrain": 1,
    "bits_per_byte": 1,
    "measure_base": 1,
    "alignment": 1,
    "inverse": 1,
    "score": 1,
    "bits_per_byte_table": 1,
    "score_model_table": 1,
    "rebound-table_rebound_figure_rebound_table": 1,
    "measures-table_measures_figure_measures_table": 1,
    "checks_table": 1,
    "verdicts-table_verdicts_figure_verdicts_table": 1,
    "provenance": 1,
    "card": 1,
    "report_page": 1,
}
"""How often each rule or group is submitted. Only ``fetch`` and ``all`` run in the process of Snakemake."""

TABLE = "results/tiny/tables/rebound-existence.csv"


@pytest.fixture(scope="module")
def failing(
    local: Project, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SlurmProject, subprocess.Popen[str]]:
    """A run with a damaged input file. It waits most of the time, so that other runs proceed meanwhile."""
    project = SlurmProject(local.copy(tmp_path_factory.mktemp("failing")).folder, cluster)
    scores = project.folder / "results/tiny/made-up/scores.parquet"
    scores.write_bytes(scores.read_bytes()[:-20])
    return project, project.start(TABLE)


@pytest.fixture(scope="module")
def submitted(failing: object, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> SlurmProject:
    """The whole study, run on the cluster."""
    project = SlurmProject(Project.new(tmp_path_factory.mktemp("submitted")).folder, cluster)
    project.write_study(small_study())
    project.submit()
    return project


def test_every_job_except_fetch_is_submitted_once(submitted: SlurmProject) -> None:
    jobs = submitted.submissions()
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert Counter(job.comment.removeprefix("rule_").split("_wildcards")[0] for job in jobs) == SUBMISSIONS


def test_results_are_those_of_a_local_run_byte_for_byte(submitted: SlurmProject, local: Project) -> None:
    folders = "tables", "figures", "models", "made-up"
    assert digests(submitted, *folders) == digests(local, *folders)


def test_a_finished_study_has_nothing_to_do_wherever_it_ran(submitted: SlurmProject, project: SlurmProject) -> None:
    for finished in (submitted, project):
        assert "Nothing to be done" in finished.submit("--dry-run")


def test_a_failing_job_is_tried_three_times_and_its_message_is_shown(
    failing: tuple[SlurmProject, subprocess.Popen[str]],
) -> None:
    project, run = failing
    assert "scores.parquet cannot be read as parquet" in project.end(run, ok=False)
    assert [job.state for job in project.submissions()] == ["FAILED"] * 3
    assert not (project.folder / TABLE).exists()


def test_a_missing_partition_is_named(project: SlurmProject) -> None:
    split = "results/tiny/made-up/splits/positive.parquet"
    (project.folder / split).unlink()
    output = project.submit("--default-resources", "slurm_partition=nowhere", "--", split, ok=False)
    assert "invalid partition specified: nowhere" in output
    assert project.submissions() == []
