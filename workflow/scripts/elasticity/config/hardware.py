"""The machines on which jobs run, and the peak rates of GPUs."""

import re
from functools import cache
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from elasticity.config.base import Section

Device = Literal["cpu", "cuda"]
"""The device of PyTorch that jobs compute on."""


Offload = Literal["none", "optimizer", "weights"]
"""What DeepSpeed keeps in the memory of the node instead of the GPU."""


PEAKS = {
    "V100": 125.0,
    "V100 PCIe": 112.0,
    "T4": 65.0,
    "A10": 125.0,
    "A30": 165.0,
    "A40": 149.7,
    "A100": 312.0,
    "A100 PCIe": 312.0,
    "A800": 312.0,
    "A800 PCIe": 312.0,
    "H20": 148.0,
    "H100": 989.4,
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H800": 989.4,
    "H800 PCIe": 756.0,
    "H200": 989.4,
    "H200 NVL": 836.0,
    "GH200": 989.4,
    "B200": 2250.0,
    "GB200": 2500.0,
    "L4": 121.0,
    "L20": 119.5,
    "L40": 181.0,
    "L40S": 362.0,
    "RTX 3090": 71.0,
    "RTX 4090": 165.2,
    "RTX 5090": 209.5,
    "RTX A6000": 154.8,
    "RTX 6000 Ada": 364.2,
    "MI250X": 191.5,
    "MI300X": 1307.4,
    "MI325X": 1307.4,
}
"""Dense bf16 peak rate of GPUs in TFLOP/s. Names without PCIe or NVL are SXM boards.

Source: data sheets and architecture white papers of the makers (Volta, Turing, Ampere GA100 and GA102, Ada, Hopper,
Blackwell; CDNA 2 and 3). Rates stated with sparsity are halved. V100 and T4 have no bf16; their rate is that of fp16.
GeForce and RTX: with accumulation in fp32. MI250X: one of its two dies, because torch counts each as a device.
"""


_NOISE = re.compile(r"nvidia|amd|tesla|geforce|instinct|quadro|generation|oam|sxm\d*|hbm\w+|\d+gb")
"""Words in device names that do not determine the speed."""


class Hardware(Section):
    """The nodes on which jobs run, and how training is divided among their GPUs.

    It changes how jobs run and not what they compute, beyond rounding: editing it reruns nothing.
    """

    device: Device = Field(
        "cpu",
        description="Device that jobs compute on. cpu with gpus_per_node above 0 runs processes in place of GPUs, to "
        "rehearse a configuration",
    )
    gpus_per_node: NonNegativeInt = Field(0, description="Number of GPUs of a node")
    gpu: str | None = Field(
        None, description="The GPU as nvidia-smi names it, or a short name such as H100. Used to plan time limits only"
    )
    gpu_memory_gb: PositiveFloat = Field(80, description="Memory of one GPU in units of 1e9 bytes")
    cores_per_gpu: PositiveInt = Field(1, description="Processor cores for each GPU")
    gpus: Literal["auto"] | PositiveInt = Field(
        "auto", description="Number of GPUs of one training job. auto: as few as the model fits on"
    )
    zero_stage: Literal["auto", 0, 1, 2, 3] = Field(
        "auto", description="DeepSpeed's ZeRO stage: what is divided among GPUs. auto: the lowest stage that fits"
    )
    offload: Offload = Field("none", description="What DeepSpeed keeps in the memory of the node instead of the GPU")
    micro_batch: Literal["auto"] | PositiveInt = Field(
        "auto", description="Examples in one forward pass of one GPU. auto: as many as fit"
    )
    gradient_checkpointing: Literal["auto"] | bool = Field(
        "auto",
        description="Recompute activations in the backward pass instead of storing them. auto: if memory needs it",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Hardware":
        if self.gpu is not None and peak_tflops(self.gpu) is None:
            raise ValueError(f"gpu: {self.gpu!r} is not known; leave it out, or choose from {', '.join(PEAKS)}")
        if self.gpus_per_node == 0:
            self._without_gpus()
        elif self.gpus != "auto" and self.gpus > self.gpus_per_node and self.gpus % self.gpus_per_node:
            raise ValueError(
                f"gpus: {self.gpus} do not fill whole nodes of {self.gpus_per_node} (gpus_per_node): use a multiple"
            )
        if self.zero_stage != "auto" and self.zero_stage < (least := _LEAST_STAGE[self.offload]):
            raise ValueError(f"offload: {self.offload} needs zero_stage {least} or more, not {self.zero_stage}")
        return self

    def _without_gpus(self) -> None:
        if self.device == "cuda":
            raise ValueError("device: cuda needs gpus_per_node of 1 or more")
        for key, default in (("gpus", "auto"), ("zero_stage", "auto"), ("offload", "none")):
            if (value := getattr(self, key)) != default:
                raise ValueError(f"{key}: {value} needs gpus_per_node of 1 or more")


_LEAST_STAGE: dict[Offload, int] = {"none": 0, "optimizer": 1, "weights": 3}
"""The lowest ZeRO stage with which DeepSpeed can offload."""


@cache
def peak_tflops(device_name: str) -> float | None:
    """Return the dense bf16 peak rate of a GPU in TFLOP/s, or None if it is not known.

    ``device_name`` is what ``torch.cuda.get_device_name`` returns, or a name in ``PEAKS``. A name with further words,
    as of a slice of a GPU (MIG) or of a laptop's GPU, is not known, because such a device is slower.
    """
    return {_words(name): peak for name, peak in PEAKS.items()}.get(_words(device_name))


def _words(name: str) -> frozenset[str]:
    """Return the words of a device name that determine its speed, in lower case."""
    return frozenset(word for word in re.split(r"[\s/-]+", name.lower()) if word and not _NOISE.fullmatch(word))
