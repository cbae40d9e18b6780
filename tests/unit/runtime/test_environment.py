"""The environment of jobs, the caches of the user, and the GPUs of this machine."""

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
from elasticity.pipeline.requests.local_gpus import with_local_gpus
from elasticity.runtime.environment import CLAIMS, SCHEDULER, WISH, cache_home, check_slurm, online, set_environment

H100 = "81559, NVIDIA H100 80GB HBM3"

Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Install an nvidia-smi that prints these lines if asked for memory and name, and ends with this status."""

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
    """The resource ``gpu`` of Snakemake."""
    return SimpleNamespace(value=count)


def test_a_study_uses_the_gpus_that_snakemake_offers(machine: Machine, study: Study) -> None:
    machine(H100, H100)
    hardware = with_local_gpus(study, offered(2)).hardware
    assert (hardware.device, hardware.gpus_per_node, hardware.gpus) == ("cuda", 2, "auto")
    assert hardware.gpu == "NVIDIA H100 80GB HBM3"
    assert hardware.gpu_memory_gb == pytest.approx(81559 * 2**20 / 1e9)


def test_only_the_hardware_of_the_study_changes(machine: Machine, study: Study) -> None:
    machine(H100, H100)
    changed = with_local_gpus(study, offered(2))
    assert changed != study
    assert changed.model_copy(update={"hardware": study.hardware}) == study
    assert read_study(changed.model_dump(mode="json")) == changed


def test_the_gpu_with_the_least_memory_among_the_offered_ones_decides(machine: Machine, study: Study) -> None:
    machine("81559, NVIDIA H100 80GB HBM3", "24564, NVIDIA GeForce RTX 4090", "8192, NVIDIA Quadro, old")
    assert with_local_gpus(study, offered(1)).hardware.gpu_memory_gb > 80
    hardware = with_local_gpus(study, offered(2)).hardware
    assert (hardware.gpus_per_node, hardware.gpu) == (2, "NVIDIA GeForce RTX 4090")
    assert with_local_gpus(study, offered(3)).hardware.gpu is None  # its speed is not known


def test_more_gpus_than_there_are_is_an_error_with_advice(machine: Machine, study: Study) -> None:
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
def test_nothing_changes_if_snakemake_offers_no_gpus(machine: Machine, study: Study, resource: Any) -> None:
    machine(H100)
    assert with_local_gpus(study, resource) is study


def test_a_study_that_describes_its_hardware_is_left_unchanged(machine: Machine, values: dict[str, Any]) -> None:
    machine(H100)
    study = read_study(values | {"hardware": {"device": "cpu", "gpus_per_node": 4}})
    assert with_local_gpus(study, offered(2)) is study


def test_jobs_use_this_python_and_are_offline(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE", "PYTHONHASHSEED", CLAIMS):
        monkeypatch.setenv(name, "")
    study = read_study(values)
    set_environment(claims_digest(study.claims))
    code = (
        "import sys, huggingface_hub.constants as hub;"
        "print(sys.prefix, sys.flags.hash_randomization, hub.HF_HUB_OFFLINE)"
    )
    found = subprocess.run(["python", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == [sys.prefix, "0", "True"]
    assert (os.environ["OMP_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"]) == ("1", "false")
    assert os.environ[CLAIMS] == claims_digest(study.claims)
    path = os.environ["PATH"]
    set_environment(claims_digest(study.claims))  # by a program that runs Snakemake, then by Snakemake
    assert os.environ["PATH"] == path


@pytest.mark.parametrize(("wish", "offline"), [("", "False"), ("1", "True")])
def test_downloading_jobs_are_online_unless_the_user_is_offline(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], wish: str, offline: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", wish)
    monkeypatch.setenv(WISH, "")
    monkeypatch.delenv(WISH)
    monkeypatch.setenv(CLAIMS, "")
    study = read_study(values)
    set_environment(claims_digest(study.claims))
    set_environment(claims_digest(study.claims))  # Snakemake reads the Snakefile again for each job
    command = online("python -c 'import huggingface_hub.constants as hub; print(hub.HF_HUB_OFFLINE)'")
    assert subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.strip() == offline


# Caches


def test_the_caches_are_below_the_chosen_folder_or_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_home() == tmp_path / ".cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_home() == tmp_path / "other"


def test_a_user_without_a_home_folder_is_told_to_set_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UserError, match="no home folder: set XDG_CACHE_HOME"):
        cache_home()


# SLURM


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with programs of SLURM, the only ones in PATH; caches are in a folder beside it."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for program in SCHEDULER:
        (folder / program).touch(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new/caches"))
    return folder


def test_a_machine_that_can_submit_jobs_passes_and_nothing_is_left_in_the_cache(slurm: Path) -> None:
    check_slurm()
    assert list((slurm.parent / "new/caches/snakemake").iterdir()) == []


@pytest.mark.parametrize("program", SCHEDULER)
def test_a_missing_program_of_slurm_is_named(slurm: Path, program: str) -> None:
    (slurm / program).unlink()
    with pytest.raises(
        UserError, match=f"^{program} cannot be found, .* leave out --profile slurm to run on this machine"
    ):
        check_slurm()


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("place", ["file", "/proc/none"])
def test_a_cache_that_jobs_on_nodes_cannot_write_is_an_error(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, variable: str, place: str
) -> None:
    (slurm / "file").touch()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv(variable, str(slurm / place))
    with pytest.raises(
        UserError, match=r"cannot be written \(.*\): set XDG_CACHE_HOME to a writable folder that all nodes"
    ):
        check_slurm()
