"""Print the CPU seconds that jobs take before their work begins, as JSON.

    python benchmarks/starting.py

Each script is started without arguments, so that it ends as soon as it has imported everything and reads its command
line. Times are the smallest of three.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent / "workflow/scripts"

JOBS = ("finetune", "generate", "score", "table")


def cpu_seconds(script: Path) -> float:
    """Return the CPU seconds of one start."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, script], env=environment, capture_output=True, check=False)
    return used() - before


def main() -> None:
    """Start each script three times and print the numbers."""
    print(json.dumps({job: min(cpu_seconds(SCRIPTS / f"{job}.py") for _ in range(3)) for job in JOBS}))


if __name__ == "__main__":
    main()
