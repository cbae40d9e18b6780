"""Start Snakemake in the tests without importing packages again and again, which would be most of their time.

Fork servers as in ``elasticity.runtime.preloading`` hold Snakemake, and others what jobs import. All runs of a test
session share them. A test that changes environment variables gets a plain run, with servers of its own.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from elasticity.runtime.environment import set_environment
from elasticity.runtime.preloading import PACKAGES, SHARED, ForkServers, is_wanted

SNAKEMAKE = Path(__file__).with_name("run_snakemake.py")

MODULES = ("snakemake.cli", "snakemake.workflow", "snakemake.dag", "snakemake.report", "pandas", "pydantic", "yaml")
"""What a run of Snakemake imports, apart from the project."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # otherwise each job compiles what it imports
sys.dont_write_bytecode = False
ENVIRONMENT = dict(os.environ)
"""The environment of the test session."""

CHANGING = {"PYTEST_CURRENT_TEST", "PYTEST_VERSION", "TORCHINDUCTOR_CACHE_DIR", "PYTORCH_NVML_BASED_CUDA_CHECK"}
"""Variables that pytest and torch set in this process."""

PASSED_ON = "ELASTICITY_CACHE"
"""A variable that tests may set although servers run: they do not read it."""


class Starter:
    """Fork servers for Snakemake, and for the jobs of all of its runs."""

    def __init__(self) -> None:
        self.snakemake = ForkServers({"other": MODULES})
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.snakemake.environment)
        try:
            set_environment(claims="")
            self.jobs = ForkServers(PACKAGES)
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.environment = self.snakemake.environment | {SHARED: str(self.jobs.folder)}


@cache
def starter() -> Starter:
    """The servers of this session, which end with it."""
    return Starter()


def run_snakemake(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Snakemake in a folder, and return what it printed."""
    names = (os.environ.keys() | ENVIRONMENT.keys()) - CHANGING - {PASSED_ON}
    if is_wanted() and all(os.environ.get(name) == ENVIRONMENT.get(name) for name in names):
        command, environment = [str(starter().snakemake.folder / "python"), str(SNAKEMAKE)], dict(starter().environment)
        environment |= {name: value for name, value in os.environ.items() if name == PASSED_ON}
    else:
        command, environment = [sys.executable, "-m", "snakemake"], dict(os.environ)
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
