"""The scheduler or a node fails, or the user interrupts the run, in the middle of a training job."""

import signal
import time

import pytest

from tests.slurm.cluster import wait_until
from tests.slurm.conftest import SlurmProject, slow_study

MODEL = "results/tiny/models/nano/metrics.json"


@pytest.fixture
def slow(project: SlurmProject) -> SlurmProject:
    """A project whose pre-training takes about ten seconds."""
    project.write_study(slow_study())
    return project


def test_the_scheduler_is_down_for_half_a_minute(slow: SlurmProject) -> None:
    """The training continues meanwhile, and the next job is submitted afterwards."""
    run = slow.start("results/tiny/made-up/rebound/nano/responses.parquet")
    wait_until(slow.is_training, "the training runs")
    slow.cluster.stop_controller()
    time.sleep(30)
    slow.cluster.start_controller()
    slow.end(run)
    assert [job.state for job in slow.submissions()] == ["COMPLETED"] * 2


def test_a_node_fails(slow: SlurmProject) -> None:
    """The same job is started again on the other node."""
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
    assert "rule pretrain" in slow.submit("--dry-run", MODEL)  # No lock is left.
