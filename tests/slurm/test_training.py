"""Training jobs on a cluster: on several nodes and GPUs, and resumed after they were requeued or ran out of time."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from elasticity.core.digests import file_digest, folder_digest
from elasticity.core.tables import read_rows
from elasticity.evaluation import schemas
from tests.conftest import Project
from tests.slurm.cluster import Cluster, wait_until
from tests.slurm.conftest import SlurmProject, slow_study, small_study

NANO = "results/tiny/models/nano"
MODEL = f"{NANO}/metrics.json"
INVERSE_RUN = "results/tiny/made-up/rebound/nano/positive/alignment/seed1/P8/inverse/0-4"
RESPONSES = "results/tiny/made-up/rebound/nano/responses.parquet"

TOLERANCE = 1e-5
"""Largest allowed difference of a weight between two processes and one after one update at rate 1e-3; tests/distributed
has more."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The slow pre-training, run on this machine without SLURM."""
    project = Project.new(tmp_path_factory.mktemp("undisturbed"))
    project.write_study(slow_study())
    project.snakemake(MODEL)
    return project


def checkpoints(project: Project) -> str:
    return folder_digest(project.folder / NANO / "checkpoints")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_a_requeued_job_resumes(project: SlurmProject, undisturbed: Project) -> None:
    """A preempted job is requeued in this way."""
    project.write_study(slow_study())
    run = project.start(MODEL)
    wait_until(project.is_training, "the training runs")
    time.sleep(1)
    (job,) = project.submissions()
    project.cluster.command("scontrol", "requeue", str(job.id))
    wait_until(project.was_stopped, "the state is saved")
    project.end(run)
    (again,) = project.submissions()
    assert (again.id, again.state) == (job.id, "COMPLETED")
    assert checkpoints(project) == checkpoints(undisturbed)


def test_a_job_that_was_warned_of_its_time_limit_is_retried_and_resumes(
    project: SlurmProject, undisturbed: Project
) -> None:
    """The signal is that of ``sbatch --signal=USR1@60``."""
    project.write_study(slow_study())
    run = project.start(MODEL)
    wait_until(project.is_training, "the training runs")
    (job,) = project.submissions()
    project.cluster.command("scancel", "--signal=USR1", str(job.id))
    wait_until(project.was_stopped, "the state is saved")
    project.end(run)
    assert [job.state for job in project.submissions()] == ["FAILED", "COMPLETED"]
    assert checkpoints(project) == checkpoints(undisturbed)


def test_a_job_that_ran_out_of_time_gets_more_and_resumes(project: SlurmProject, undisturbed: Project) -> None:
    project.write_study(slow_study())
    run = project.start("--set-resources", "pretrain:runtime=attempt", "--", MODEL)
    wait_until(project.is_training, "the training runs")
    (job,) = project.submissions()
    assert limit(project, job.id) == "00:01:00"
    project.pause_training()  # SLURM checks time limits every half minute, and sends SIGCONT before it ends a job
    project.cluster.command("scontrol", "update", f"JobId={job.id}", "EndTime=now")  # instead of waiting for a minute
    wait_until(project.was_stopped, "the state is saved")
    project.end(run)
    first, second = project.submissions()
    assert (first.state, second.state) == ("TIMEOUT", "COMPLETED")
    assert limit(project, second.id) == "00:02:00"
    assert checkpoints(project) == checkpoints(undisturbed)


def limit(project: SlurmProject, job: int) -> str:
    return shown(project, job)["TimeLimit"]


def shown(project: SlurmProject, job: int) -> dict[str, str]:
    """Return the properties of a job in SLURM."""
    words = project.cluster.command("scontrol", "show", "job", str(job)).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def with_hardware(**hardware: Any) -> dict[str, Any]:
    """Return a study whose jobs request GPUs but compute on CPUs, because the GPUs are fake."""
    return small_study() | {"hardware": {"device": "cpu"} | hardware}


def test_a_study_on_other_hardware_has_nothing_to_do(project: SlurmProject) -> None:
    project.write_study(with_hardware(gpus_per_node=4, gpus=2, zero_stage=2))
    assert "Nothing to be done" in project.submit("--dry-run")


@pytest.mark.parametrize("stage", [2, 3])
def test_two_nodes_train_one_model_and_measure_it(project: SlurmProject, local: Project, stage: int) -> None:
    """Under stage 2 both nodes measure their share in the job that trains, which calls srun.

    Under stage 3 no process has the whole model, so one node measures the saved checkpoints, in the same submission.
    """
    shutil.rmtree(project.folder / INVERSE_RUN)
    study = with_hardware(gpus_per_node=1, gpus=2, zero_stage=stage) | {"keep_checkpoints": True}
    study["inverse"] = study["inverse"] | {"precision": "fp32"}
    project.write_study(study)
    checkpoints, responses = f"{INVERSE_RUN}/checkpoints", f"{INVERSE_RUN}/responses.parquet"
    project.submit("--", checkpoints, responses)
    (job,) = project.submissions()
    assert shown(project, job.id)["NumNodes"] == "2"
    assert shown(project, job.id)["TresPerNode"] == "gres:gpu:1"
    metrics = json.loads((project.folder / INVERSE_RUN / "metrics.json").read_text())
    assert metrics["processes"] == 2
    one = local.copy(project.folder.parent / "one")
    one.write_study(study | {"hardware": {}})
    shutil.rmtree(one.folder / INVERSE_RUN)
    one.snakemake(checkpoints)
    for size in (0, 4):
        expected = weights(one.folder / checkpoints / str(size))
        for name, value in weights(project.folder / checkpoints / str(size)).items():
            torch.testing.assert_close(value, expected[name], atol=TOLERANCE, rtol=0)
    rows, expected_rows = (read_rows(it.folder / responses, schemas.RESPONSES) for it in (project, one))
    assert [row["prompt_id"] for row in rows] == [row["prompt_id"] for row in expected_rows]
    assert [row for row in rows if row["inverse_size"] == 0] == [r for r in expected_rows if r["inverse_size"] == 0]


def test_responses_do_not_depend_on_the_number_of_processes(project: SlurmProject, local: Project) -> None:
    """Snakemake passes the hardware in the profile to the jobs."""
    (project.folder / RESPONSES).unlink()
    hardware = "hardware={device: cpu, gpus_per_node: 4, gpus: 2, cores_per_gpu: 2}"
    project.submit("--config", hardware, "--", RESPONSES)
    (job,) = project.submissions()
    facts = shown(project, job.id)
    assert (facts["NumNodes"], facts["NumCPUs"]) == ("1", "4")
    assert facts["TresPerJob"] == "gres:gpu:2"
    assert file_digest(project.folder / RESPONSES) == file_digest(local.folder / RESPONSES)


def test_a_job_for_gpus_that_torch_cannot_see_says_so(project: SlurmProject, cluster: Cluster) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    (project.folder / RESPONSES).unlink()
    project.write_study(small_study() | {"hardware": {"device": "cuda", "gpus_per_node": 4}})
    output = project.submit("--retries", "0", "--latency-wait", "5", "--", RESPONSES, ok=False)
    assert "this job was launched for a GPU, but torch finds none" in output
