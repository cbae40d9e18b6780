"""What every job finds in its environment."""

import os
import sys
from pathlib import Path

from elasticity.core.digests import SCRIPTS

WISH = "ELASTICITY_HUB_OFFLINE"
"""Whether the user wants even fetching jobs offline: kept here, because Snakemake reads its file several times."""


CLAIMS = "ELASTICITY_CLAIMS"
"""The digest of what the study claims: not a parameter of any job, because training does not depend on it."""


def set_environment(claims: str) -> None:
    """Set one thread a job, the hub offline, the digest of the study's claims, and this Python first on the path.

    ``SCRIPTS`` is the folder of the scripts, wherever Snakemake was started.

    Jobs are shell commands; without the last a user who calls ``.venv/bin/snakemake`` would need to activate the
    environment first. An environment that a rule asks for comes before it, because it is activated later.
    """
    os.environ["SCRIPTS"] = str(SCRIPTS)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault(WISH, os.environ.get("HF_HUB_OFFLINE") or "0")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ[CLAIMS] = claims


def online(command: str) -> str:
    """The shell command of a rule that may fetch from the hub, unless the user has set HF_HUB_OFFLINE."""
    return f'HF_HUB_OFFLINE="${WISH}" {command}'
