"""Launching of jobs: commands, environment, and the real launcher."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from elasticity.runtime.gpus import take
from elasticity.runtime.launch import DIVISION, LAUNCHER, VARIABLE, Launch, launched, launched_training
from tests.conftest import ROOT

LAUNCH = ROOT / "workflow/scripts/launch.py"
SCRIPT = ["train.py", "{}", "--checkpoints", "a folder"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
TASK = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_NODEID": "1",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.7",
}
"""Variables that srun sets for a task."""

SAYS = """
import json, os, sys
names = ("RANK", "WORLD_SIZE", "ELASTICITY_LAUNCH", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
said = {name: os.environ.get(name) for name in names} | {"arguments": sys.argv[2:]}
with open(f"{sys.argv[1]}/{os.environ.get('RANK', 'alone')}.json", "w") as file:
    json.dump(said, file)
"""


def launch(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "SLURM_JOB_ID"} | variables
    command = [sys.executable, str(LAUNCH), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def said(tmp_path: Path, *options: str, **variables: str) -> dict[str, dict[str, Any]]:
    """Arguments and environment of each process of a job, by its rank."""
    (tmp_path / "says.py").write_text(SAYS)
    folder = tmp_path / "said"
    folder.mkdir()
    done = launch(*options, str(tmp_path / "says.py"), str(folder), "--processes", "a b", **variables)
    assert done.returncode == 0, done.stderr
    return {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}


# Commands


def test_one_plain_process_becomes_the_script() -> None:
    assert Launch().command(SCRIPT, {}) == [sys.executable, *SCRIPT]


@pytest.mark.parametrize("what", [{"processes": 4}, {"processes": 4, "zero_stage": 2}, {"zero_stage": 1}])
def test_several_processes_or_deepspeed_take_torchrun(what: dict[str, int]) -> None:
    """DeepSpeed needs torchrun even in one process, because it reads the address of the group."""
    command = Launch(**what).command(SCRIPT, {})
    assert command[:3] == TORCHRUN
    options, script = command[3 : command.index("--")], command[command.index("--") + 1 :]
    assert f"--nproc-per-node={what.get('processes', 1)}" in options
    assert "--standalone" in options
    assert script == SCRIPT


def test_the_signals_that_stop_a_job_reach_its_processes() -> None:
    (option,) = [part for part in Launch(processes=2).command(SCRIPT, {}) if part.startswith("--signals")]
    assert set(option.split("=")[1].split(",")) >= {"SIGTERM", "SIGUSR1"}


@pytest.mark.parametrize("environment", [{}, {"SLURM_JOB_ID": "1234567", "SLURM_NODEID": "0"}])
def test_over_several_nodes_the_batch_script_calls_srun(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One task per node, each of which is this launcher again."""
    monkeypatch.setattr(sys, "argv", ["launch.py", "--nodes", "2", *SCRIPT])
    command = Launch(nodes=2, processes=8, threads=16, zero_stage=3).command(SCRIPT, environment)
    options, again = command[1 : command.index(sys.executable)], command[command.index(sys.executable) :]
    assert command[0] == "srun"
    assert set(options) == {
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=16",
        "--kill-on-bad-exit=1",
    }
    assert again == [sys.executable, "launch.py", "--nodes", "2", *SCRIPT]


def test_a_task_of_srun_calls_torchrun_with_the_address_of_the_others() -> None:
    command = Launch(nodes=2, processes=8, threads=16, zero_stage=3).command(SCRIPT, TASK)
    assert command[:3] == TORCHRUN
    meeting = {"--nproc-per-node=8", "--nnodes=2", "--node-rank=1", "--master-addr=10.0.0.7", "--master-port=24567"}
    assert meeting <= set(command)
    assert "--standalone" not in command
    assert command[-len(SCRIPT) :] == SCRIPT


def test_two_nodes_of_one_process_are_two_processes() -> None:
    assert Launch(nodes=2).command(SCRIPT, TASK)[:3] == TORCHRUN


@pytest.mark.parametrize("job", [1, 9_999, 10_000, 67_108_863])
def test_tasks_agree_on_a_port_outside_the_ephemeral_range(job: int) -> None:
    """67,108,863 is the largest id of a SLURM job; the ephemeral ports of Linux begin at 32,768."""
    ports = {
        part
        for node in "01"
        for part in Launch(nodes=2).command(SCRIPT, TASK | {"SLURM_JOB_ID": str(job), "SLURM_NODEID": node})
        if part.startswith("--master-port")
    }
    (port,) = ports
    assert 1024 < int(port.split("=")[1]) < 32_768


def test_consecutive_jobs_have_different_ports() -> None:
    commands = [Launch(nodes=2).command(SCRIPT, TASK | {"SLURM_JOB_ID": str(job)}) for job in range(900, 1000)]
    assert len({part for command in commands for part in command if part.startswith("--master-port")}) == 100


# Environment


def test_a_job_reads_the_settings_with_which_it_was_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    launch = Launch(
        device="cuda", nodes=2, processes=8, threads=32, gpus_per_node=8, zero_stage=3, micro_batch=2, offload="weights"
    )
    for name, value in launch.environment().items():
        monkeypatch.setenv(name, value)
    assert Launch.of_job() == launch


def test_a_job_that_was_not_launched_is_one_plain_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Launch.of_job() == Launch()
    assert (Launch().device, Launch().nodes, Launch().processes, Launch().zero_stage) == ("cpu", 1, 1, -1)


@pytest.mark.parametrize(
    ("launch", "threads"),
    [
        (Launch(threads=8), "1"),  # on processors sums must not depend on the number of cores
        (Launch(device="cuda", processes=2, threads=8), "4"),
        (Launch(device="cuda", processes=8, threads=4), "1"),
    ],
)
def test_processes_share_the_cores_beside_gpus(launch: Launch, threads: str) -> None:
    assert launch.environment()["OMP_NUM_THREADS"] == threads


def test_deepspeed_takes_the_device_and_matrix_products_are_reproducible() -> None:
    for device in ("cpu", "cuda"):
        environment = Launch.model_validate({"device": device}).environment()
        assert environment["DS_ACCELERATOR"] == device
        assert environment["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


# Rules


def test_no_field_is_forgotten_in_the_commands_of_rules() -> None:
    options = {part for part in f"{LAUNCHER} {DIVISION}".split() if part.startswith("--")}
    assert options == {f"--{name.replace('_', '-')}" for name in Launch.model_fields}


def test_a_rule_that_does_not_train_says_nothing_of_training() -> None:
    assert launched("a.py {input:q}") == f"{LAUNCHER} a.py {{input:q}}"
    assert launched_training("a.py {input:q}") == f"{LAUNCHER} {DIVISION} a.py {{input:q}}"


# The real launcher


def test_one_process_gets_its_arguments_and_no_rank(tmp_path: Path) -> None:
    found = said(tmp_path, "--threads", "3", "--zero-stage", "-1", "--gradient-checkpointing", "0")
    assert found.keys() == {"alone"}
    assert found["alone"]["arguments"] == ["--processes", "a b"]  # options of the script, not of the launcher
    assert found["alone"]["OMP_NUM_THREADS"] == "1"
    assert found["alone"]["CUDA_VISIBLE_DEVICES"] == os.environ.get("CUDA_VISIBLE_DEVICES")
    assert json.loads(found["alone"][VARIABLE]) == Launch(threads=3).model_dump()


def test_two_processes_know_their_ranks_and_their_gpus(tmp_path: Path) -> None:
    options = ("--processes", "2", "--gpus-per-node", "4", "--gradient-checkpointing", "1")
    found = said(tmp_path, *options, CUDA_VISIBLE_DEVICES="5,7", TMPDIR=str(tmp_path))
    assert found.keys() == {"0", "1"}
    for rank, process in found.items():
        assert (process["RANK"], process["WORLD_SIZE"]) == (rank, "2")
        assert process["arguments"] == ["--processes", "a b"]
        assert process["CUDA_VISIBLE_DEVICES"] == "5,7"
        assert json.loads(process[VARIABLE])["gradient_checkpointing"] is True


def test_gpus_assigned_by_a_scheduler_are_used(tmp_path: Path) -> None:
    options = ("--gpus-per-node", "4")
    assert take(1, ["2"], locks(tmp_path, "7")) == ["2"]
    found = said(tmp_path, *options, CUDA_VISIBLE_DEVICES="2", SLURM_JOB_ID="7", TMPDIR=str(tmp_path))
    assert found["alone"]["CUDA_VISIBLE_DEVICES"] == "2"


def test_a_process_takes_several_gpus(tmp_path: Path) -> None:
    options = ("--gpus-per-process", "2", "--gpus-per-node", "4")
    assert take(1, ["3"], locks(tmp_path)) == ["3"]
    free = said(tmp_path, *options, CUDA_VISIBLE_DEVICES="3,4,5", TMPDIR=str(tmp_path))
    assert free.keys() == {"alone"}
    assert free["alone"]["CUDA_VISIBLE_DEVICES"] == "4,5"
    assert json.loads(free["alone"][VARIABLE])["gpus_per_process"] == 2


def test_several_gpus_assigned_by_a_scheduler_are_used_by_one_process(tmp_path: Path) -> None:
    options = ("--gpus-per-process", "2", "--gpus-per-node", "4")
    assert take(1, ["1"], locks(tmp_path, "7")) == ["1"]
    found = said(tmp_path, *options, CUDA_VISIBLE_DEVICES="1,2", SLURM_JOB_ID="7", TMPDIR=str(tmp_path))
    assert found["alone"]["CUDA_VISIBLE_DEVICES"] == "1,2"


def test_jobs_of_one_allocation_get_different_gpus(tmp_path: Path) -> None:
    """As when Snakemake runs within an allocation of salloc."""
    assert take(1, ["2", "3"], locks(tmp_path, "7")) == ["2"]
    options = ("--gpus-per-node", "4")
    found = said(tmp_path, *options, CUDA_VISIBLE_DEVICES="2,3", SLURM_JOB_ID="7", TMPDIR=str(tmp_path))
    assert found["alone"]["CUDA_VISIBLE_DEVICES"] == "3"


def test_gpus_of_different_allocations_are_independent(tmp_path: Path) -> None:
    assert take(1, ["0"], locks(tmp_path, "6")) == ["0"]
    options = ("--gpus-per-node", "4")
    found = said(tmp_path, *options, CUDA_VISIBLE_DEVICES="0,1", SLURM_JOB_ID="7", TMPDIR=str(tmp_path))
    assert found["alone"]["CUDA_VISIBLE_DEVICES"] == "0"


def locks(folder: Path, allocation: str = "none") -> Path:
    """The folder in which the launcher locks GPUs if TMPDIR is ``folder``."""
    return folder / f"elasticity-gpus-{os.getuid()}-{allocation}"


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_script_that_fails_fails_the_job(processes: str, tmp_path: Path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("import sys; sys.exit('no such data')")
    done = launch("--processes", processes, str(script))
    assert done.returncode != 0
    assert "no such data" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--processes", "0"), ("processes", "greater than 0", "'0'")),
        (("--processes", "many"), ("processes", "valid integer", "many")),
        (("--device", "tpu"), ("device", "'cpu' or 'cuda'", "tpu")),
        (("--zero-stage", "4"), ("zero_stage", "less than or equal to 3")),
        (("--proceses", "2"), ("unrecognized arguments: --proceses",)),
        (("--processes", "2", "--gpus-per-node", "8"), ("takes 2 GPUs, but there are 1 (3)",)),
        (("--gpus-per-process", "5", "--gpus-per-node", "8"), ("takes 5 GPUs, but there are 1 (3)",)),
    ],
)
def test_wrong_options_are_an_error_without_a_traceback(
    options: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    done = launch(*options, "script.py", TMPDIR=str(tmp_path), CUDA_VISIBLE_DEVICES="3")
    assert done.returncode in (1, 2)
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(("device", "imported"), [("cpu", "True"), ("cuda", "False")])
def test_a_forked_process_that_holds_torch_is_replaced_if_the_job_uses_a_gpu(
    device: str, imported: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print('torch' in sys.modules)")
    launcher = ROOT / "workflow/scripts/launch.py"
    code = (
        f"import runpy, sys, types; sys.modules['torch'] = types.ModuleType('torch'); sys.argv = {[str(launcher)]!r}"
        f" + ['--device', {device!r}, {str(script)!r}]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    environment = os.environ | {"PYTHONPATH": str(launcher.parent)}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True) == f"{imported}\n"
