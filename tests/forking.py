"""Snakemake and its jobs start from processes that have imported their packages, once for all tests.

Each run of Snakemake would otherwise spend seconds of processor time on imports, and start fork servers of its own,
which import their packages for the jobs of that run only. ``tests/faults/test_preloading.py`` starts runs as users do.
"""

import atexit
import functools
import os
import sys
from pathlib import Path
from unittest import mock

from elasticity.runtime.environment import set_environment
from elasticity.runtime.preloading import SWITCH, ForkServers

SCRIPT = Path(__file__).with_name("run_snakemake.py")

SNAKEMAKE = (
    *("pandas", "pyarrow.parquet", "pyarrow.dataset", "pydantic", "requests", "sqlmodel", "yaml", "jsonschema"),
    *("snakemake.cli", "snakemake.workflow", "snakemake.persistence.file", "snakemake.scheduling.job_scheduler"),
    *("snakemake_executor_plugin_slurm", "snakemake_logger_plugin_rich"),
)
"""What Snakemake and the Snakefile import when they plan or run a study."""

CHANGING = {"PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR"}
"""Environment variables that pytest and torch change while tests run; no job depends on them."""


def own_environment() -> dict[str, str]:
    """Return the environment of this process without what changes while tests run."""
    return {name: value for name, value in os.environ.items() if name not in CHANGING}


STARTED_IN = own_environment()
"""The environment of the servers."""


@functools.cache
def shared_command() -> tuple[list[str], dict[str, str]]:
    """Start servers for Snakemake and for its jobs.

    Returns the first words of a command that runs Snakemake in a process that they fork, and its environment.
    """
    with mock.patch.dict(os.environ, STARTED_IN, clear=True):
        for_runs = ForkServers({SCRIPT.name: SNAKEMAKE})
    with mock.patch.dict(os.environ, for_runs.environment, clear=True):
        set_environment("")
        for_jobs = ForkServers()
    for servers in (for_runs, for_jobs):
        atexit.register(servers.stop)
    return [str(for_runs.folder / "python"), str(SCRIPT)], for_runs.environment | {SWITCH: str(for_jobs.folder)}


def snakemake_command() -> tuple[list[str], dict[str, str]]:
    """Return the first words of a command that runs Snakemake, and its environment.

    A test that changes the environment gets a plain command, because servers take jobs of their own environment only.
    """
    if own_environment() == STARTED_IN:
        return shared_command()
    return [sys.executable, "-m", "snakemake"], own_environment()
