"""The section of a study that describes the machines, and the peaks of GPUs."""

from typing import Any

import pytest

from elasticity.config.hardware import PEAKS, peak_tflops
from elasticity.config.loading import read_study
from elasticity.core.errors import UserError

GPU = {"device": "cuda", "gpus_per_node": 8}


def test_a_study_needs_no_hardware(values: dict[str, Any]) -> None:
    hardware = read_study(values).hardware
    assert (hardware.device, hardware.gpus_per_node, hardware.gpus) == ("cpu", 0, "auto")


@pytest.mark.parametrize(
    "given",
    [
        GPU | {"gpu": "H100", "gpus": 4, "zero_stage": 2, "micro_batch": 2, "gradient_checkpointing": True},
        GPU | {"gpus": 16, "zero_stage": "auto", "offload": "weights"},
        GPU | {"gpus": 3, "zero_stage": 1, "offload": "optimizer"},
        {"device": "cpu", "gpus_per_node": 2, "gpus": 2, "zero_stage": 3},
        {"micro_batch": 2, "gradient_checkpointing": True},
    ],
)
def test_what_is_given_is_kept(values: dict[str, Any], given: dict[str, Any]) -> None:
    hardware = read_study(values | {"hardware": given}).hardware
    assert {key: getattr(hardware, key) for key in given} == given


MISTAKES = {
    "no GPUs": ({"device": "cuda"}, "device: cuda needs gpus_per_node of 1 or more"),
    "GPUs of no node": ({"gpus": 2}, "gpus: 2 needs gpus_per_node"),
    "stage of no GPU": ({"zero_stage": 0}, "zero_stage: 0 needs gpus_per_node"),
    "offload from no GPU": ({"offload": "optimizer"}, "offload: optimizer needs gpus_per_node"),
    "a broken node": (GPU | {"gpus": 12}, "gpus: 12 do not fill whole nodes of 8"),
    "weights need 3": (GPU | {"offload": "weights", "zero_stage": 2}, "weights needs zero_stage 3 or more, not 2"),
    "optimizer needs 1": (GPU | {"offload": "optimizer", "zero_stage": 0}, "optimizer needs zero_stage 1 or more"),
    "unknown GPU": (GPU | {"gpu": "H1000"}, "'H1000' is not known; leave it out, or choose from V100"),
    "stage 4": (GPU | {"zero_stage": 4}, "hardware.zero_stage: .*'auto', 0, 1, 2 or 3"),
    "no cores": (GPU | {"cores_per_gpu": 0}, "hardware.cores_per_gpu: .*greater than 0"),
    "unknown key": (GPU | {"gpu_memory": 80}, "hardware.gpu_memory: unknown key; did you mean 'gpu_memory_gb'"),
}


@pytest.mark.parametrize(("given", "words"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(values: dict[str, Any], given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_study(values | {"hardware": given})


@pytest.mark.parametrize(
    ("device_name", "peak"),
    [
        ("Tesla V100-SXM2-32GB", 125),
        ("Tesla V100-PCIE-16GB", 112),
        ("Tesla T4", 65),
        ("NVIDIA A10", 125),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA A100-PCIE-40GB", 312),
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H200", 989.4),
        ("NVIDIA GH200 480GB", 989.4),
        ("NVIDIA B200", 2250),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362),
        ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("NVIDIA RTX 6000 Ada Generation", 364.2),
        ("AMD Instinct MI250X", 191.5),
        ("AMD Instinct MI300X", 1307.4),
    ],
)
def test_a_peak_is_found_by_the_name_that_torch_gives(device_name: str, peak: float) -> None:
    assert peak_tflops(device_name) == peak


@pytest.mark.parametrize("name", PEAKS)
def test_a_peak_is_found_by_its_short_name(name: str) -> None:
    assert peak_tflops(name) == PEAKS[name]


@pytest.mark.parametrize(
    "device_name",
    [
        "",
        "NVIDIA",
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce GTX 1080",
    ],
)
def test_a_peak_that_is_not_known_is_none(device_name: str) -> None:
    assert peak_tflops(device_name) is None
