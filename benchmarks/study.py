"""Run a study from scratch in a folder of its own and report where the time went.

    python benchmarks/study.py config.yaml --cores 2
    python benchmarks/study.py config.yaml --cores 2 --scale seeds 1 4 16
    python benchmarks/study.py config.yaml --cores 2 --scale sizes 1 4 16

Prints JSON with the wall time, the wall time of a second run with nothing to do, the sum of job times and its ratio to
the wall time (how many jobs ran at once), the CPU seconds of all jobs, the share of job time in which models were
trained or measured while they were trained, the peak memory of a job, and the tokens per second of training. Times are
in seconds; they are those of jobs that train, generate or score, which have a file of benchmarks.

With ``--scale`` only the first rebound experiment of the study is run, for one base model and its largest number of
alignment examples, again and again in the same folder: with more seeds, or with more inverse sizes up to the same
largest. The CPU seconds of the jobs that each step adds are printed; those of the base model are left out.
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

import yaml

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Copy the sources, run the study, and print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--scale", nargs="+", metavar=("seeds|sizes", "TIMES"), help="several amounts of one experiment"
    )
    arguments = parser.parse_args()
    study = yaml.safe_load(arguments.study.read_text(encoding="utf-8-sig"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("Snakefile", "config.yaml", "studies", "workflow", "profiles", "envs"):
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        if arguments.scale:
            what, *times = arguments.scale
            numbers = scaling(study, folder, arguments.cores, what, [int(count) for count in times])
        else:
            wall_s = run(arguments.study.absolute(), folder, arguments.cores)
            again_s = run(arguments.study.absolute(), folder, arguments.cores)
            numbers = report(folder / "results" / study["name"], wall_s) | {"second_run_s": round(again_s, 1)}
        print(json.dumps(numbers, indent=2))


def run(study: Path, folder: Path, cores: int) -> float:
    """Run Snakemake on a study in a copy of the project, and return the wall time in seconds."""
    command = [sys.executable, "-m", "snakemake", "--configfile", str(study), "--logger", "rich", "--cores", str(cores)]
    start = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    return time.monotonic() - start


def scaling(study: dict[str, Any], folder: Path, cores: int, what: str, times: list[int]) -> dict[str, Any]:
    """Run one experiment with several amounts of seeds or sizes; return the CPU seconds that each amount takes."""
    name, rebound = next(iter(study["rebound"].items()))
    largest = max(rebound["inverse_sizes"])
    rebound |= {"bases": rebound["bases"][:1], "alignment_sizes": [max(rebound["alignment_sizes"])]}
    dropped = ("resistance", "claims", "calibration", "theory", "joint", "tree")
    small = {key: value for key, value in study.items() if key not in dropped} | {"rebound": {name: rebound}}
    if what == "seeds" and (texts := study["tasks"][rebound["task"]].get("lean_texts")):
        study["tasks"][rebound["task"]]["splits"]["lean"] = texts * max(times)  # each seed has texts of its own
    found: dict[str, Any] = {}
    for count in times:
        if what == "seeds":
            small["seeds"] = list(range(1, count + 1))
        else:
            small["seeds"], rebound["inverse_sizes"] = [1], [0, *(largest * (i + 1) // count for i in range(count))]
        path = folder / f"{what}-{count}.yaml"
        path.write_text(yaml.safe_dump(small, sort_keys=False))
        before = {job: job.stat().st_mtime_ns for job in (folder / "results").rglob("*.tsv")}
        wall_s = run(path, folder, cores)
        new = [job for job in (folder / "results").rglob("*.tsv") if before.get(job) != job.stat().st_mtime_ns]
        of_seeds = [job for job in new if "seed" in job.as_posix()]
        cpu_s = sum(float(benchmark(job)["cpu_time"]) for job in of_seeds)
        found[f"{count} {what}"] = {"new_jobs": len(of_seeds), "cpu_s": round(cpu_s, 1), "wall_s": round(wall_s, 1)}
    return found


def report(results: Path, wall_s: float) -> dict[str, Any]:
    """Compute the printed numbers from the benchmark files and metrics of a finished study."""
    jobs = {path: benchmark(path) for path in (results / "benchmarks").rglob("*.tsv")}
    total_s = sum(float(job["s"]) for job in jobs.values())
    metrics = [json.loads(path.read_text()) for path in results.rglob("metrics.json")]
    work_s = sum(job["wall_s"] + job["measuring_s"] for job in metrics)
    cpu_s = sum(float(job["cpu_time"]) for job in jobs.values())
    return {
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(wall_s, 1),
        "jobs": len(jobs),
        "sum_of_job_s": round(total_s, 1),
        "jobs_at_once": round(total_s / wall_s, 2),
        "peak_memory_mb": max(float(job["max_rss"]) for job in jobs.values() if job["max_rss"] not in ("NA", "-")),
        "share_of_work": round(work_s / total_s, 2),
        "training_tokens_per_s": round(sum(m["target_tokens"] for m in metrics) / sum(m["wall_s"] for m in metrics)),
    }


def benchmark(path: Path) -> dict[str, str]:
    """Read the single row of a benchmark file."""
    with path.open() as file:
        return next(csv.DictReader(file, delimiter="\t"))


if __name__ == "__main__":
    main()
