"""Watch the jobs of a real run from inside: every Python that starts runs a ``sitecustomize`` of ours first."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

RECORD = """
import atexit, json, os, runpy, sys, time
start, run_path = time.monotonic(), runpy.run_path

def run_launched(*arguments, **names):
    global start
    start = time.monotonic()
    return run_path(*arguments, **names)

runpy.run_path = run_launched

def record():
    names = ("CUDA_VISIBLE_DEVICES", "HF_HUB_OFFLINE")
    said = {name: os.environ.get(name) for name in names}
    said |= {"command": sys.orig_argv, "start": start, "end": time.monotonic()}
    with open(__file__ + ".jsonl", "a") as file:
        file.write(json.dumps(said) + chr(10))

atexit.register(record)
"""
"""Times are of a clock that all processes share. A launched script starts when its launcher has taken its GPUs."""


@dataclass(frozen=True)
class Process:
    """A script that has ended, from the first line to the last: within the time that it holds its GPUs."""

    script: str
    start: float
    end: float
    environment: dict[str, str | None]


class Watch:
    """Of the processes that are started from now on."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, more: str = "") -> None:
        """``more``: what else each process does first."""
        self.file = folder / "sitecustomize.py"
        folder.mkdir()
        self.file.write_text(RECORD + more)
        patch.setenv("PYTHONPATH", str(folder))

    def scripts(self) -> list[Process]:
        """The scripts of jobs that have ended; a launcher goes by the name of the script that it has run."""
        found = []
        for line in map(json.loads, self.file.with_suffix(".py.jsonl").read_text().splitlines()):
            scripts = [Path(word).name for word in line["command"] if word.startswith("workflow/scripts/")]
            if scripts and line["command"][1].endswith(scripts[0]):
                found.append(Process(scripts[-1], line.pop("start"), line.pop("end"), line))
        return found
