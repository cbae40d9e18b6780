"""Print the CPU seconds that jobs take before their work begins, as JSON: plain commands, and forked as in a local run.

    python benchmarks/starting.py

Each script is started without a job, so that it ends as soon as it has imported everything and reads its command line.
Times are the smallest of five.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from elasticity.core.digests import SCRIPTS
from elasticity.runtime.preloading import ForkServers, usage_of

JOBS = {
    "fine-tuning, measured": "finetune_measured.py",
    "code lengths": "bits_per_byte.py",
    "scores": "score.py",
}
"""Scripts that import the most, by the name that is printed."""

TIMES = 5


def start(script: str, environment: Mapping[str, str]) -> float:
    """Start a script as rules do, and return the CPU seconds of what this process started."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    command = ["python", str(SCRIPTS / "launch.py"), str(SCRIPTS / script)]
    subprocess.run(command, env=environment, capture_output=True, check=False)
    return used() - before


def forked(script: str, servers: ForkServers) -> float:
    """Return the CPU seconds of a forked start: those of the command that asks for it, and of the forked process."""
    since = time.time()
    asking = start(script, servers.environment)
    usage = usage_of(servers.folder, os.getpid(), since - 1)
    assert usage, f"{script} was not forked"
    return asking + usage.cpu_s


def main() -> None:
    """Start each script in both ways and print the numbers."""
    os.environ["PYTHONPATH"] = str(SCRIPTS)
    servers = ForkServers()
    plain = servers.environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    found = {}
    for job, script in JOBS.items():
        forked(script, servers)  # the server imports its packages
        ways = {
            "plain": [start(script, plain) for _ in range(TIMES)],
            "forked": [forked(script, servers) for _ in range(TIMES)],
        }
        found[job] = {way: min(seconds) for way, seconds in ways.items()}
    servers.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
