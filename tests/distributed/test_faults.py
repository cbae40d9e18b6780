"""Several processes that are killed, stopped or run out of memory, and the attempts after that."""

import math
import os
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.distributed.conftest import Run, Trainer
from tests.distributed.test_zero import TOLERANCE, furthest

pytestmark = pytest.mark.slow

SIZES = (16, 480)
"""Sizes with an early first checkpoint, and enough examples to kill the run before its end."""

EVERY_UPDATE = {"ELASTICITY_SAVE_EVERY_S": "0"}


def two(stage: int) -> tuple[str, ...]:
    return "--processes", "2", "--zero-stage", str(stage), "--micro-batch", "4"


def wait_for_state(run: Run, process: psutil.Popen, update: int) -> None:
    """Wait until a state of this update or a later one is published."""
    while not run.states() or int(run.states()[-1].name.split("-")[1]) < update:
        assert process.poll() is None, run.folder.with_suffix(".log").read_text()
        time.sleep(0.05)


def workers(process: psutil.Popen) -> list[psutil.Process]:
    """Return the processes that torchrun started."""
    return [child for child in process.children(recursive=True) if "finetune.py" in " ".join(child.cmdline())]


@pytest.fixture(scope="module")
def expected(trainer: Trainer) -> Run:
    """An uninterrupted run on one process."""
    return trainer.train(trainer.folder / "undisturbed", sizes=SIZES)


@pytest.mark.parametrize(("stage", "then"), [(2, 2), (2, 1), (3, 2), (0, 1)])
def test_one_killed_process_ends_all_and_the_next_attempt_resumes(
    trainer: Trainer, expected: Run, tmp_path: Path, stage: int, then: int
) -> None:
    """The number of processes may change, with DeepSpeed's universal checkpoint."""
    run = Run(tmp_path / "run")
    process = trainer.start(run, *two(stage), environment=EVERY_UPDATE, sizes=SIZES)
    wait_for_state(run, process, 4)
    victim, *others = workers(process)
    victim.kill()
    assert process.wait(timeout=120) != 0
    psutil.wait_procs(others, timeout=10)
    assert not any(other.is_running() for other in others)
    reached = int(run.states()[-1].name.split("-")[1])
    launch = ("--processes", str(then), "--zero-stage", str(stage), "--micro-batch", "4")
    trainer.train(run.folder, *launch, sizes=SIZES)
    assert 4 <= reached < len(run.losses()) == len(expected.losses())
    assert run.losses() == pytest.approx(expected.losses(), abs=1e-4)
    assert furthest(run.weights(SIZES[1]), expected.weights(SIZES[1])) < 50 * TOLERANCE["fp32"]


@pytest.mark.parametrize(
    ("stage", "then", "words"),
    [
        (2, (), "ZeRO stage 2, and one process without DeepSpeed cannot continue from it"),
        (
            3,
            ("--processes", "1", "--zero-stage", "3"),
            "ZeRO stage 3, and 1 process with DeepSpeed's ZeRO stage 3 cannot",
        ),
    ],
)
def test_a_state_that_cannot_be_loaded_is_refused(
    trainer: Trainer, tmp_path: Path, stage: int, then: tuple[str, ...], words: str
) -> None:
    run = Run(tmp_path / "run")
    process = trainer.start(run, *two(stage), environment=EVERY_UPDATE, sizes=SIZES)
    wait_for_state(run, process, 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) != 0
    trainer.train(run.folder, *then, ok=False, sizes=SIZES)
    log = (tmp_path / "run.log").read_text()
    assert f"was saved by 2 processes with DeepSpeed's {words}" in log
    assert "error: the state of this run" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_the_launcher_saves_the_state_of_all(
    trainer: Trainer, tmp_path: Path, number: signal.Signals
) -> None:
    """States are saved once a minute at most, so the state that is found was saved because of the signal."""
    run = Run(tmp_path / "run")
    process = trainer.start(run, *two(2), sizes=SIZES)
    while not list(run.folder.glob("state/*/checkpoints/16")):
        assert process.poll() is None, (tmp_path / "run.log").read_text()
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=120) != 0
    assert len(run.states()) == 1
    assert "stopped by a signal after update" in (tmp_path / "run.log").read_text()


@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_a_loss_that_is_not_finite_stops_all_before_the_update(tmp_path: Path, stage: int) -> None:
    poisoned = Trainer(tmp_path)
    weights = load_file(tmp_path / "start/0/model.safetensors")
    weights["model.embed_tokens.weight"][:] = math.nan
    save_file(weights, tmp_path / "start/0/model.safetensors", {"format": "pt"})
    run = poisoned.train(tmp_path / "run", *two(stage), ok=False, sizes=SIZES)
    log = (tmp_path / "run.log").read_text()
    assert "update 1: loss nan" in log
    assert re.search(r"training diverged at example \d+", log)
    assert not run.states()
    assert not list(run.folder.glob("state/*/checkpoints/16"))


def test_one_process_stopped_by_a_signal_has_its_own_status(trainer: Trainer, expected: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    process = trainer.start(run, sizes=SIZES)
    while not list(run.folder.glob("state/*/checkpoints/16")):
        assert process.poll() is None, (tmp_path / "run.log").read_text()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == os.EX_TEMPFAIL
    trainer.train(run.folder, sizes=SIZES)
    assert run.losses() == expected.losses()
    assert all(torch.equal(run.weights(480)[name], value) for name, value in expected.weights(480).items())


def test_out_of_memory_halves_the_micro_batch_of_the_next_attempt(trainer: Trainer, tmp_path: Path) -> None:
    """The allocation fails for real: the address space is limited to what the job takes without the batch."""
    run = Run(tmp_path / "run")
    big = {"batch_size": 4096, "sizes": (600,), "epochs": 8, "max_length": 48}
    command = trainer.command(run, **big)
    limit = 3_500_000_000

    def attempt() -> str:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        return "done" if done.returncode == 0 else done.stderr

    first = attempt()
    assert "out of memory with 4096 examples at a time. The next attempt takes 2048" in first, first
    for _ in range(11):  # until one example at a time
        if (outcome := attempt()) == "done":
            break
        assert "out of memory with" in outcome, outcome
    assert run.metrics()["micro_batch"] < 4096
    assert run.metrics()["examples"] == 4800
