"""The environment of all jobs, and the caches of the user."""

import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from elasticity.core.digests import SCRIPTS
from elasticity.core.errors import UserError

WISH = "ELASTICITY_HUB_OFFLINE"
"""The variable that keeps the user's HF_HUB_OFFLINE for jobs that download. Snakemake reads its file repeatedly."""


CLAIMS = "ELASTICITY_CLAIMS"
"""The variable with the digest of the study's claims. It is not a parameter of jobs, which do not depend on claims."""


SCHEDULER = ("sbatch", "squeue", "scancel")
"""The programs of SLURM without which no job can be submitted, followed and cancelled."""


def set_environment(claims: str) -> None:
    """Set the environment of all jobs: one thread, the hub offline, the digest ``claims``, and this Python in PATH.

    ``SCRIPTS`` is the folder of the scripts, wherever Snakemake was started.

    Jobs are shell commands, so that a user who calls ``.venv/bin/snakemake`` would otherwise have to activate the
    environment first. The conda environment of a rule is activated later and takes precedence.
    """
    os.environ["SCRIPTS"] = str(SCRIPTS)
    programs, path = f"{Path(sys.executable).parent}{os.pathsep}", os.environ["PATH"]
    os.environ["PATH"] = path if path.startswith(programs) else programs + path
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ.setdefault(WISH, os.environ.get("HF_HUB_OFFLINE") or "0")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ[CLAIMS] = claims


def online(command: str) -> str:
    """Return the shell command of a rule that may download from the hub unless the user has set HF_HUB_OFFLINE."""
    return f'HF_HUB_OFFLINE="${WISH}" {command}'


def cache_home() -> Path:
    """Return the folder of the user's caches: ``XDG_CACHE_HOME``, by default ``~/.cache``.

    Raises ``UserError`` if the variable is not set and the user has no home folder.
    """
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        raise UserError("this user has no home folder: set XDG_CACHE_HOME to a writable folder for caches") from None


def writable_places(results: Path) -> dict[str, Path]:
    """Return the folders that a job writes to, by what to do if one of them is full: see ``disks.reason``."""
    again = "and run the same command again: it goes on where it stopped"
    places = {f"Make room there {again}": results}
    places[f"Make room there, or set TMPDIR to a folder elsewhere, {again}"] = Path(os.environ.get("TMPDIR", "/tmp"))
    with contextlib.suppress(UserError):  # without a home folder, nothing is written there
        places[f"Make room there, or set XDG_CACHE_HOME to a folder elsewhere, {again}"] = cache_home()
    return places


def check_slurm() -> None:
    """Raise ``UserError`` if this machine cannot submit jobs to SLURM, or if the jobs could not start on their nodes.

    The Snakemake that SLURM's plugin starts on a node has a cache in ``cache_home()``, and fails with a traceback if it
    cannot write there.
    """
    if missing := [program for program in SCHEDULER if shutil.which(program) is None]:
        raise UserError(
            f"{', '.join(missing)} cannot be found, so no job can be submitted to SLURM: run this on a login node of "
            "the cluster, load its module of SLURM, or leave out --profile slurm to run on this machine"
        )
    folder = cache_home() / "snakemake"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(
            f"Snakemake's cache {folder} cannot be written ({error.strerror}): set XDG_CACHE_HOME to a writable folder "
            "that all nodes share"
        ) from None
