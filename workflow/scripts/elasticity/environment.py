"""What every job finds in its environment."""

import os
import sys
from pathlib import Path


def set_environment() -> None:
    """One thread a job, the hub offline, and the Python that runs Snakemake first on the path.

    Jobs are shell commands; without the last a user who calls ``.venv/bin/snakemake`` would need to activate the
    environment first. An environment that a rule asks for comes before it, because it is activated later.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["PYTHONHASHSEED"] = "0"
