"""Run all benchmarks but that of a whole study, and print tables of ratios.

    python benchmarks/run.py [--device cuda] [--shapes small 135M] [--rounds 2]

Every measurement is a process of its own with one thread, and the sides of a comparison take turns; the best of all
rounds counts, because other work on the machine only slows a process down. TRL is left out if it is not installed. On a
GPU, tokens per second are compared instead of tokens per CPU second, and the utilisation that nvidia-smi reports is
printed.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
import transformers

FOLDER = Path(__file__).parent

QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]


class Utilisation:
    """Mean utilisation of the GPUs in percent, from samples of nvidia-smi twice a second while the context is open."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self.done = threading.Event()

    def __enter__(self) -> "Utilisation":
        self.thread = threading.Thread(target=self._sample)
        if shutil.which(QUERY[0]):
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        if self.thread.is_alive():
            self.thread.join()

    def _sample(self) -> None:
        while not self.done.wait(0.5):
            printed = subprocess.run(QUERY, capture_output=True, text=True, check=False).stdout
            self.samples += [float(line) for line in printed.split() if line.isdigit()]

    @property
    def mean(self) -> float | None:
        """The mean of all samples; None without a GPU."""
        return statistics.mean(self.samples) if self.samples else None


def measured(script: str, *arguments: str) -> dict[str, Any]:
    """Run one benchmark in a process of its own and return the numbers that it prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = str(FOLDER.parent / "workflow/scripts")
    command = [sys.executable, str(FOLDER / script), *arguments]
    with Utilisation() as utilisation:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    numbers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if utilisation.mean is not None:
        numbers["gpu_percent"] = utilisation.mean
    return numbers


def compared(script: str, sides: Sequence[str], case: Sequence[str], rate: str, rounds: int) -> dict[str, float]:
    """Return the best rate of each side; the sides take turns.

    Exits if two sides that trained the same model on the same examples end with different losses.
    """
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side].append(measured(script, side, *case))
    losses = [runs[0]["loss_at_end"] for runs in found.values() if "loss_at_end" in runs[0]]
    if losses and max(losses) - min(losses) > 0.01:
        sys.exit(f"{script} {' '.join(case)}: the losses at the end differ: {losses}")
    for side, runs in found.items():
        if "gpu_percent" in runs[0]:
            print(f"{' '.join(case)} {side}: GPU busy for {runs[0]['gpu_percent']:.0f} % of the time, start included")
    return {side: max(run[rate] for run in runs) for side, runs in found.items()}


def processor() -> str:
    """Return the name of the processor, as Linux knows it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    return platform.machine()


def row(case: str, best: dict[str, float]) -> str:
    """Return a row of a table: our rate, and for each other side its rate and ours as a multiple of it."""
    mine = best["ours"]
    others = [f"{rate:,.0f} ({mine / rate:.2f} x)" for side, rate in best.items() if side != "ours"]
    return f"| {case} | {mine:,.0f} | {' | '.join(others)} |"


def table(columns: Sequence[str], rows: Sequence[str]) -> None:
    """Print a table in Markdown."""
    print("", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *rows, sep="\n", flush=True)


def main() -> None:
    """Run the benchmarks and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--shapes", nargs="+", default=["small", "135M"])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    on = ("--device", arguments.device)
    rate = "tokens_per_cpu_s" if arguments.device == "cpu" else "tokens_per_s"
    unit = rate.replace("_", " ").replace("per cpu s", "per CPU second").replace("per s", "per second")
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(f"{date.today()}, {processor()}, {os.cpu_count()} cores, {arguments.device}, {versions}", flush=True)
    sides = ["ours", "loop", "trainer", *(["trl"] if importlib.util.find_spec("trl") else [])]
    rows = [
        row(f"{shape}, {lengths}", compared("training.py", sides, (shape, lengths, *on), rate, arguments.rounds))
        for shape in arguments.shapes
        for lengths in ("short", "ragged")
    ]
    table((f"training, {unit}", "ours", "plain loop", "Trainer", "SFTTrainer")[: 1 + len(sides)], rows)
    sides = ["ours", "generate"]
    rows = [
        row(f"{shape}, {kind}", compared("generation.py", sides, (shape, kind, *on), rate, arguments.rounds))
        for shape in arguments.shapes
        for kind in ("limit", "ending")
    ]
    table((f"responses, {unit}", "ours", "generate"), rows)
    starts = measured("starting.py")
    rows = [f"| {job} | {found['plain']:.2f} | {found['forked']:.2f} |" for job, found in starts.items()]
    table(("start of a job, CPU seconds", "as a plain command", "forked, as in a local run"), rows)


if __name__ == "__main__":
    main()
