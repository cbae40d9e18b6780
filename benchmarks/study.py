"""Run a study from scratch in a folder of its own and report where the time went.

    python benchmarks/study.py config.yaml --cores 2

Prints JSON with the wall time, the wall time of a second run with nothing to do, the sum of job times and its ratio to
the wall time (how many jobs ran at once), the peak memory of a job, the tokens per second of training, and the tokens
per second of the jobs that generate responses, their start included. Times are in seconds.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Copy the sources, run the study twice, and print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("Snakefile", "config.yaml", "studies", "workflow", "profiles", "envs"):
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--configfile",
            str(arguments.study.absolute()),
            "--logger",
            "rich",
        ]
        start = time.monotonic()
        subprocess.run([*command, "--cores", str(arguments.cores)], cwd=folder, check=True)
        wall_s = time.monotonic() - start
        start = time.monotonic()
        subprocess.run([*command, "--cores", str(arguments.cores)], cwd=folder, check=True)
        again_s = time.monotonic() - start
        study = yaml.safe_load(arguments.study.read_text(encoding="utf-8-sig"))["name"]
        numbers = report(folder / "results" / study, wall_s) | {"second_run_s": round(again_s, 1)}
        print(json.dumps(numbers, indent=2))


def report(results: Path, wall_s: float) -> dict[str, Any]:
    """Compute the printed numbers from the benchmark files, metrics and responses of a finished study."""
    jobs = {path: benchmark(path) for path in (results / "benchmarks").rglob("*.tsv")}
    total_s = sum(float(job["s"]) for job in jobs.values())
    metrics = [json.loads(path.read_text()) for path in results.rglob("metrics.json")]
    generating = [job for path, job in jobs.items() if path.stem == "generate"]
    tokens = 0
    for path in results.rglob("responses.parquet"):
        tokens += sum(map(len, pq.read_table(path, columns=["response_tokens"])["response_tokens"].to_pylist()))
    return {
        "wall_s": round(wall_s, 1),
        "jobs": len(jobs),
        "sum_of_job_s": round(total_s, 1),
        "jobs_at_once": round(total_s / wall_s, 2),
        "peak_memory_mb": max(float(job["max_rss"]) for job in jobs.values() if job["max_rss"] not in ("NA", "-")),
        "training_tokens_per_s": round(sum(m["target_tokens"] for m in metrics) / sum(m["wall_s"] for m in metrics)),
        "response_tokens_per_s": round(tokens / sum(float(job["s"]) for job in generating)),
    }


def benchmark(path: Path) -> dict[str, str]:
    """Read the single row of a benchmark file."""
    with path.open() as file:
        return next(csv.DictReader(file, delimiter="\t"))


if __name__ == "__main__":
    main()
