"""What happens to a run when the scheduler, a node or the user goes away in the middle of a training job."""

import signal
import time

import pytest

from tests.slurm.cluster import wait_until
from tests.slurm.conftest import SlurmProject, slow_study

MODEL = "results/tiny/models/nano/metrics.json"


@pytest.fixture
def slow(project: SlurmProject) -> SlurmProject:
    """A project whose pre-training takes long enough to be disturbed."""
    project.write_study(slow_study())
    return project


def test_the_scheduler_is_away_for_half_a_minute(slow: SlurmProject) -> None:
    """The training goes on meanwhile, and the job after it is submitted."""
    run = slow.start("results/tiny/made-up/rebound/nano/responses.parquet")
    wait_until(slow.is_training, "the training runs")
    slow.cluster.stop_controller()
    time.sleep(30)
    slow.cluster.start_controller()
    slow.end(run)
    assert [job.state for job in slow.submissions()] == ["COMPLETED"] * 2


def test_a_node_fails(slow: SlurmProject) -> None:
    """The same job begins again on the other node."""
    run = slow.start(MODEL)
    wait_until(slow.is_training, "the training runs")
    (job,) = slow.submissions()
    slow.cluster.set_down(job.node)
    try:
        slow.end(run)
    finally:
        slow.cluster.resume(job.node)
    (again,) = slow.submissions()
    assert (again.id, again.state) == (job.id, "COMPLETED")
    assert again.node != job.node


def test_ctrl_c_cancels_what_was_submitted(slow: SlurmProject) -> None:
    run = slow.start(MODEL)
    wait_until(slow.is_training, "the training runs")
    run.send_signal(signal.SIGINT)
    slow.end(run, ok=False)
    wait_until(lambda: not slow.cluster.active(), "the job is gone")
    assert [job.state for job in slow.submissions()] == ["CANCELLED"]
    assert "rule pretrain" in slow.submit("--dry-run", MODEL)  # no lock is left
