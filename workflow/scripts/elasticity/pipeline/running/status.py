"""The state of a study, from the files on disk: outputs that exist, and the journals of jobs."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from elasticity.config.study import Study
from elasticity.pipeline.realignment import RealignmentStage
from elasticity.pipeline.resistance import PATHS
from elasticity.pipeline.running.failures import as_typed, reason, rerun
from elasticity.pipeline.runs import InverseStage, inverse_stages
from elasticity.pipeline.study_pipeline import Pipeline
from elasticity.runtime.journal import Entry, journals
from elasticity.runtime.progress import duration, how_far

STATES = ("done", "running", "stopped", "interrupted", "failed", "waiting")


SILENT_S = 120
"""Seconds without an entry after which the status says that a journal is silent."""


Found = Mapping[Path, Entry]
"""The journals of a study by the main outputs of their jobs."""


def status(study: Study, study_file: Path) -> str:
    """The state of a study as text: an overview, then running and ended jobs, and checkpoints that are gone.

    Lines without paths have at most 80 columns.
    """
    pipeline = Pipeline(study)
    found = dict(journals(Path(pipeline.results)))
    running = {output: entry for output, entry in found.items() if entry.state == "running"}
    ended = {output: entry for output, entry in found.items() if entry.state != "running"}
    lines = [f"study {study.name}, results in {pipeline.results}", *_overview(pipeline, found)]
    for output, entry in running.items():
        lines += ["", f"running: {output.relative_to(pipeline.results)}", f"  {_pace(entry)}"]
    for output, entry in ended.items():
        lines += ["", f"{entry.state}: {output.relative_to(pipeline.results)}", *_end(entry)]
    slurm = any(entry.slurm_job for entry in ended.values())
    snakemake = [
        _program(),
        "--configfile",
        str(study_file),
        *(("--profile", "slurm") if slurm else ("--cores", "all")),
    ]
    if ended:
        lines += ["", "run only these again:", f"  {rerun(snakemake, ended)}"]
    for checkpoints, gone in _gone(pipeline).items():
        lines += ["", f"gone: {', '.join(gone)} of {checkpoints.relative_to(pipeline.results)}", "  make them again:"]
        lines += [f"  {shlex.join(['rm', '-rf', str(checkpoints)])} && {rerun(snakemake, [checkpoints])}"]
    return "\n".join(lines)


def _gone(pipeline: Pipeline) -> dict[Path, list[str]]:
    """The checkpoints of finished runs that are no longer there, by their folder."""
    wanted = {
        (Path(pipeline.models.checkpoints_of(base)), str(checkpoint))
        for base, (_, checkpoint) in pipeline.study.bases.items()
    }
    for alignment in pipeline.rebound.alignment_sizes:
        for sizes in pipeline.rebound.alignment_runs(alignment):
            folder = Path(pipeline.rebound.alignment_run(alignment, sizes), "checkpoints")
            wanted |= {(folder, str(size)) for size in sizes}
    gone: dict[Path, list[str]] = {}
    for folder, name in sorted(wanted):
        if (folder.parent / "metrics.json").exists() and not (folder / name).is_dir():
            gone.setdefault(folder, []).append(name)
    return gone


def _overview(pipeline: Pipeline, found: Found) -> Iterator[str]:
    """Yield a line for each experiment, and one for tables and figures."""
    rows = []
    cells = _cells(pipeline, found)
    realignment_cells = _realignment_cells(pipeline, found)
    for name, rebound in pipeline.study.rebound.items():
        inverses = inverse_stages(rebound, pipeline.study.seeds)
        states = Counter(cells[inverse, size] for inverse, sizes in inverses for size in sizes)
        rows.append((f"rebound {name}", "cells", states))
        if stages := list(pipeline.realignment.stages(rebound)):
            states = Counter(realignment_cells[stage, size] for stage in stages for size in rebound.realignment_sizes)
            rows.append((f"realignment {name}", "cells", states))
    for name in pipeline.study.resistance:
        states = Counter(_run(Path(folder), found) for folder in pipeline.resistance.run_folders(name))
        rows.append((f"resistance {name}", "runs", states))
    wanted = pipeline.targets
    made = sum(Path(target).exists() for target in wanted)
    rows.append(("tables and figures", "files", Counter(done=made, waiting=len(wanted) - made)))
    width = max(len(name) for name, _, _ in rows)
    for name, unit, states in rows:
        counts = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
        yield f"  {name.ljust(width)}  {states.total():>4} {unit}: {counts}"


def _cells(pipeline: Pipeline, found: Found) -> dict[tuple[InverseStage, int], str]:
    """The state of every cell, by inverse stage and N. A cell waits until its inverse stage begins."""
    cells: dict[tuple[InverseStage, int], str] = {}
    for inverse, run_sizes in pipeline.rebound.inverse_jobs():
        folder = Path(pipeline.rebound.inverse_run(inverse, run_sizes))
        last = "responses.parquet" if inverse in pipeline.rebound.scored else "compression.parquet"
        state = _state([folder / "checkpoints", folder / last], found)
        cells |= {(inverse, size): state for size in run_sizes}
    return cells


def _realignment_cells(pipeline: Pipeline, found: Found) -> dict[tuple[RealignmentStage, int], str]:
    """The state of every cell of a realignment stage. A cell waits until its job begins."""
    cells: dict[tuple[RealignmentStage, int], str] = {}
    for stage, run_sizes in pipeline.realignment.jobs():
        folder = Path(pipeline.realignment.run(stage, run_sizes))
        state = _state([folder / "checkpoints", folder / "responses.parquet"], found)
        cells |= {(stage, size): state for size in run_sizes}
    return cells


def _run(folder: Path, found: Found) -> str:
    """The state of one base model and seed of a resistance experiment, which waits until its first job begins."""
    last = [folder / f"tuned/{start}-{target}/cross-entropies.parquet" for start, target in PATHS]
    missing = [path for path in last if not path.exists()]
    return _state([*(output for output in found if folder in output.parents), *(missing or last)], found)


def _state(outputs: list[Path], found: Found) -> str:
    """The state of a chain of jobs with these main outputs: running if one of them runs, else the worst."""
    states = {found[output].state for output in outputs if output in found}
    worst = max(states, key=STATES.index, default=None)
    if worst is None:
        return "done" if outputs[-1].exists() else "waiting"
    return "running" if "running" in states else worst


def _pace(entry: Entry) -> str:
    """The task, progress and host of a running job."""
    what = f"{entry.what} {how_far(entry.done, entry.total, entry.unit, entry.rate)}" if entry.total else "started"
    silence = time.time() - entry.updated
    silent = f", silent for {duration(silence)}" if entry.updated and silence > SILENT_S else ""
    return what + silent + (f", on {entry.host}" if entry.host else "")


def _end(entry: Entry) -> Iterator[str]:
    """Yield lines with the progress of an ended job and the reason why it ended."""
    if entry.total:
        yield f"  {entry.what} {how_far(entry.done, entry.total, entry.unit, 0)}, on {entry.host}"
    yield from reason(entry, Path(entry.log))


def _program() -> str:
    """The Snakemake of this Python environment, relative to the current folder if it lies in it."""
    return str(as_typed(Path(sys.executable).with_name("snakemake")))
