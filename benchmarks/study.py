"""Run a study from scratch in a folder of its own and report where the time went.

    python benchmarks/study.py config.yaml --cores 2

Prints wall time, that of a second run with nothing to do, the sum of job times and its ratio to wall time (how many
jobs ran at once), peak memory of a job, and tokens per second of training, and of answering with the start of its jobs
included.
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
    """Copy the sources, run the study, print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("Snakefile", "config.yaml", "studies", "workflow", "profiles", "envs"):
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        command = [sys.executable, "-m", "snakemake", "--configfile", str(arguments.study), "--quiet", "all"]
        start = time.monotonic()
        subprocess.run([*command, "--cores", str(arguments.cores)], cwd=folder, check=True)
        wall_s = time.monotonic() - start
        start = time.monotonic()
        subprocess.run([*command, "--cores", str(arguments.cores)], cwd=folder, check=True)
        again_s = time.monotonic() - start
        study = yaml.safe_load((folder / arguments.study).read_text())["name"]
        numbers = figures(folder / "results" / study, wall_s) | {"second_run_s": round(again_s, 1)}
        print(json.dumps(numbers, indent=2))


def figures(results: Path, wall_s: float) -> dict[str, Any]:
    """The report's numbers from the benchmark files, metrics and responses of a finished study."""
    jobs = {path: benchmark(path) for path in (results / "benchmarks").rglob("*.tsv")}
    total_s = sum(float(job["s"]) for job in jobs.values())
    metrics = [json.loads(path.read_text()) for path in results.rglob("metrics.json")]
    has_responses = {path: job for path, job in jobs.items() if path.stem == "response"}
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
        "response_tokens_per_s": round(tokens / sum(float(job["s"]) for job in has_responses.values())),
    }


def benchmark(path: Path) -> dict[str, str]:
    """The single row of a benchmark file."""
    with path.open() as file:
        return next(csv.DictReader(file, delimiter="\t"))


if __name__ == "__main__":
    main()
