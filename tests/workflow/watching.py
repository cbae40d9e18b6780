"""Record the scripts of a real run: every Python process first imports a ``sitecustomize`` that is written here."""

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
"""Times are from a clock that all processes share. A launched script starts when its launcher has taken its GPUs."""


@dataclass(frozen=True)
class Process:
    """A script that has ended. It ran from ``start`` to ``end``, within the time that it held its GPUs."""

    script: str
    start: float
    end: float
    environment: dict[str, str | None]


class Watch:
    """Records the Python processes that are started after it was made."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, more: str = "") -> None:
        """``more`` is further code that each process runs first."""
        self.file = folder / "sitecustomize.py"
        folder.mkdir()
        self.file.write_text(RECORD + more)
        patch.setenv("PYTHONPATH", str(folder))

    def scripts(self) -> list[Process]:
        """Return the scripts of jobs that have ended. A launcher counts as the script that it ran."""
        found = []
        for line in map(json.loads, self.file.with_suffix(".py.jsonl").read_text().splitlines()):
            scripts = [word for word in map(Path, line["command"]) if word.parent.parts[-2:] == ("workflow", "scripts")]
            if scripts and line["command"][1] == str(scripts[0]):
                found.append(Process(scripts[-1].name, line.pop("start"), line.pop("end"), line))
        return found
