"""Pin the direct dependencies in envs/*.in and everything that they need.

Run by ``make lock``. Writes ``requirements.txt``, ``requirements-dev.txt``, ``requirements-tracking.txt`` (for pip) and
``elasticity.yaml`` (for conda) with ``uv pip compile``. Versions that are pinned already stay as they are; to upgrade
one, remove its line or change its version in the lock before running this. The lock is resolved for the oldest
supported Python and must come out the same for the newest one.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent

PYTHON_VERSIONS = ("3.11", "3.13")
"""The oldest and the newest supported version."""

CUDA = re.compile(r"(nvidia-|cuda-|triton==)")
"""Packages that only the CUDA build of torch needs.

They are left out, so that the same lock also installs a CPU build, which has no such packages. A CUDA build pins their
exact versions itself.
"""

NOTE = "# Written by `make lock` from {names}. Do not edit, except to change a version before running it again.\n"

TORCH_NOTE = """\
# On a machine without a GPU, install a CPU build of torch to save gigabytes: docs/troubleshooting.md.
"""

CONDA = """\
# Written by `make lock` from requirements.in. The environment of all jobs with `--software-deployment-method conda`;
# `make setup` installs the same packages into .venv instead.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={python}
  - pip
  - pip:
{packages}"""


def main() -> None:
    """Write the lock files and the conda file."""
    main_lock = locked("requirements")
    (FOLDER / "requirements.txt").write_text(
        NOTE.format(names="requirements.in") + TORCH_NOTE + "".join(f"{pin}\n" for pin in main_lock)
    )
    packages = "".join(f"      - {pin}\n" for pin in main_lock)
    (FOLDER / "elasticity.yaml").write_text(CONDA.format(python=PYTHON_VERSIONS[0], packages=packages))
    for name in ("requirements-dev", "requirements-tracking"):
        extra = [pin for pin in locked(name) if pin not in main_lock]
        note = NOTE.format(names=f"{name}.in, to install beside requirements.txt")
        (FOLDER / f"{name}.txt").write_text(note + "".join(f"{pin}\n" for pin in extra))


def locked(name: str) -> list[str]:
    """Pins for ``envs/NAME.in``, sorted, in the form ``package==version``."""
    first, *others = (compiled(name, version) for version in PYTHON_VERSIONS)
    for other in others:
        if other != first:
            sys.exit(
                f"error: {name}.in resolves differently for Python {' and '.join(PYTHON_VERSIONS)}: "
                f"{sorted(set(first) ^ set(other))}. Add markers to {name}.in or name these packages there."
            )
    return first


def compiled(name: str, python: str) -> list[str]:
    """Pins for one version of Python. The present lock files give the versions to prefer or, beside them, to keep."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / f"{name}.txt"
        present = FOLDER / f"{name}.txt"
        output.write_text(present.read_text() if present.exists() else "")
        command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", python]
        if name != "requirements":
            command += ["--constraint", str(FOLDER / "requirements.txt")]
        subprocess.run([*command, "--output-file", str(output), str(FOLDER / f"{name}.in")], check=True)
        lines = output.read_text().splitlines()
    return sorted(line for line in lines if "==" in line and not CUDA.match(line))


if __name__ == "__main__":
    main()
