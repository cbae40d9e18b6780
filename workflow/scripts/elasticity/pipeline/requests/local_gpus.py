"""The GPUs of this machine, for studies that describe none."""

import subprocess
from typing import Any

from elasticity.config.hardware import Hardware, peak_tflops
from elasticity.config.study import Study
from elasticity.core.errors import UserError


def with_local_gpus(study: Study, offered: Any) -> Study:
    """The study with the GPUs of this machine, if ``snakemake --resources gpu=N`` offers some and it describes none.

    ``offered`` is Snakemake's resource, an object with a ``value``, or None. Raises ``UserError`` if there are fewer
    GPUs than offered.
    """
    if offered is None or not offered.value or study.hardware.gpus_per_node:
        return study
    query = ["nvidia-smi", "--query-gpu=memory.total,name", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip().splitlines()
    except (OSError, subprocess.CalledProcessError):
        lines = []
    if len(lines) < offered.value:
        raise UserError(
            f"--resources gpu={offered.value} offers more GPUs than nvidia-smi finds here ({len(lines)}). To rehearse "
            "without GPUs, add to the study: hardware: {device: cpu, gpus_per_node: " + f"{offered.value}" + "}"
        )
    mebibytes, name = min(lines[: offered.value], key=lambda line: int(line.split(", ")[0])).split(", ", 1)
    hardware = Hardware(
        device="cuda",
        gpus_per_node=offered.value,
        gpu_memory_gb=int(mebibytes) * 2**20 / 1e9,
        gpu=name if peak_tflops(name) else None,
    )
    return study.model_copy(update={"hardware": hardware})
