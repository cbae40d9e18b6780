"""What jobs find in their environment, and the GPUs of this machine."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from elasticity.config.claims import claims_digest
from elasticity.config.loading import read_study
from elasticity.config.study import Study
from elasticity.core.errors import UserError
from elasticity.pipeline.resource_requests import with_local_gpus
from elasticity.runtime.environment import CLAIMS, WISH, online, set_environment

H100 = "81559, NVIDIA H100 80GB HBM3"

Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose nvidia-smi prints these lines, if it is asked for memory and name, and ends with this status."""

    def machine(*lines: str, status: int = 0) -> None:
        script = tmp_path / "nvidia-smi"
        script.write_text(
            "#!/bin/sh\n"
            '[ "$*" = "--query-gpu=memory.total,name --format=csv,noheader,nounits" ] || exit 9\n'
            + "".join(f"echo '{line}'\n" for line in lines)
            + f"exit {status}\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return machine


@pytest.fixture
def study(values: dict[str, Any]) -> Study:
    return read_study(values)


def offered(count: int) -> SimpleNamespace:
    """Snakemake's resource."""
    return SimpleNamespace(value=count)


def test_the_gpus_that_are_offered_are_those_of_the_study(machine: Machine, study: Study) -> None:
    machine(H100, H100)
    hardware = with_local_gpus(study, offered(2)).hardware
    assert (hardware.device, hardware.gpus_per_node, hardware.gpus) == ("cuda", 2, "auto")
    assert hardware.gpu == "NVIDIA H100 80GB HBM3"
    assert hardware.gpu_memory_gb == pytest.approx(81559 * 2**20 / 1e9)


def test_nothing_else_of_the_study_changes(machine: Machine, study: Study) -> None:
    machine(H100, H100)
    changed = with_local_gpus(study, offered(2))
    assert changed != study
    assert changed.model_copy(update={"hardware": study.hardware}) == study
    assert read_study(changed.model_dump(mode="json")) == changed


def test_fewer_may_be_offered_and_the_smallest_of_them_decides(machine: Machine, study: Study) -> None:
    machine("81559, NVIDIA H100 80GB HBM3", "24564, NVIDIA GeForce RTX 4090", "8192, NVIDIA Quadro, old")
    assert with_local_gpus(study, offered(1)).hardware.gpu_memory_gb > 80
    hardware = with_local_gpus(study, offered(2)).hardware
    assert (hardware.gpus_per_node, hardware.gpu) == (2, "NVIDIA GeForce RTX 4090")
    assert with_local_gpus(study, offered(3)).hardware.gpu is None  # speed not known


def test_more_than_there_are_is_an_error_that_says_how_to_rehearse(machine: Machine, study: Study) -> None:
    machine(H100)
    with pytest.raises(UserError, match=r"gpu=2 .* finds here \(1\)") as error:
        with_local_gpus(study, offered(2))
    assert "hardware: {device: cpu, gpus_per_node: 2}" in str(error.value)


def test_a_machine_without_a_driver_has_none(machine: Machine, study: Study) -> None:
    machine("Failed to initialize NVML: Driver/library version mismatch", status=18)
    with pytest.raises(UserError, match=r"finds here \(0\)"):
        with_local_gpus(study, offered(1))


def test_a_machine_without_nvidia_smi_has_none(study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"finds here \(0\)"):
        with_local_gpus(study, offered(1))


@pytest.mark.parametrize("resource", [None, offered(0)])
def test_where_none_are_offered_none_are_asked_about(machine: Machine, study: Study, resource: Any) -> None:
    machine(H100)
    assert with_local_gpus(study, resource) is study


def test_a_study_that_describes_its_machines_is_left_alone(machine: Machine, values: dict[str, Any]) -> None:
    machine(H100)
    study = read_study(values | {"hardware": {"device": "cpu", "gpus_per_node": 4}})
    assert with_local_gpus(study, offered(2)) is study


def test_jobs_find_this_python_and_no_hub(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE", "PYTHONHASHSEED", CLAIMS):
        monkeypatch.setenv(name, "")
    study = read_study(values)
    set_environment(study)
    code = (
        "import sys, huggingface_hub.constants as hub;"
        "print(sys.prefix, sys.flags.hash_randomization, hub.HF_HUB_OFFLINE)"
    )
    found = subprocess.run(["python", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == [sys.prefix, "0", "True"]
    assert (os.environ["OMP_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"]) == ("1", "false")
    assert os.environ[CLAIMS] == claims_digest(study.claims)


@pytest.mark.parametrize(("wish", "offline"), [("", "False"), ("1", "True")])
def test_fetching_jobs_find_the_hub_unless_the_user_is_offline(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], wish: str, offline: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", wish)
    monkeypatch.setenv(WISH, "")
    monkeypatch.delenv(WISH)
    monkeypatch.setenv(CLAIMS, "")
    study = read_study(values)
    set_environment(study)
    set_environment(study)  # Snakemake reads its file again for each job
    command = online("python -c 'import huggingface_hub.constants as hub; print(hub.HF_HUB_OFFLINE)'")
    assert subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.strip() == offline
